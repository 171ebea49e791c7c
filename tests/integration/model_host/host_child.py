"""A process with a client, for tests that kill it: prints one JSON object once it is set.

python host_child.py SETTINGS_JSON embedded|shared REQUEST_JSON
"""

from __future__ import annotations

import asyncio
import json
import sys

from model_host.client import open_client
from model_host.host.status import HostStatus
from model_host.settings import HostSettings
from model_host.tasks import Echo


async def main() -> None:
    settings = HostSettings.model_validate_json(sys.argv[1])
    request = Echo.model_validate_json(sys.argv[3])
    async with open_client(settings, embedded=sys.argv[2] == "embedded") as client:

        def set_(status: HostStatus) -> bool:
            loading = request.sleep_s == 0 and not request.misbehave
            return any(i.pid and (loading or i.in_flight) for i in status.instances)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(client.run(request, model="one"))
            while not set_(status := await client.status()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            pids = [instance.pid for instance in status.instances]
            print(json.dumps({"host": status.pid, "workers": pids}), flush=True)


asyncio.run(main())
