"""Where weights come from. A source is a module, named like its `kind` on a card, with one verb:

    bring(source, names, job)     # puts each of `names`, verified, into job.staging

It raises SourceUnreachable, HashMismatch or StoreError (the next source is tried), DiskFull or
Cancelled (the pull ends). A module is imported when a card needs it.
"""
