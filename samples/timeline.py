"""A picture of a corpus: sources as lanes, Moments as blocks, cited ones marked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from indexers.moments import Moment

_COLOURS = {
    "speech": "#4c78a8",
    "screen-text": "#f2a13a",
    "scene": "#bab0ac",
    "text": "#59a14f",
}
_CITED = "#d62728"
_FONTS = ("Noto Sans Devanagari", "Lohit Devanagari", "DejaVu Sans")


def draw(moments: Sequence[Moment], cited: set[str], path: Path) -> None:
    """Write a PNG. Recordings lie on seconds; documents, which have no time, on their order."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import font_manager, pyplot
    from matplotlib.patches import Patch

    present = {font.name for font in font_manager.fontManager.ttflist}
    pyplot.rcParams["font.family"] = [name for name in _FONTS if name in present]
    lanes = sorted({moment.source for moment in moments})
    timed = [s for s in lanes if any(m.source == s and m.start_us is not None for m in moments)]
    documents = [s for s in lanes if s not in timed]
    figure, axes = pyplot.subplots(
        2,
        1,
        figsize=(12, 1.6 + 0.75 * len(lanes)),
        height_ratios=[max(1, len(timed)), max(1, len(documents))],
        layout="constrained",
    )
    for axis, group, label in ((axes[0], timed, "seconds"), (axes[1], documents, "passage")):
        for lane, source in enumerate(group):
            mine = [moment for moment in moments if moment.source == source]
            _lane(axis, lane, mine, cited, in_seconds=axis is axes[0])
        axis.set_yticks(range(len(group)), group)
        axis.set_ylim(len(group) - 0.4, -0.6)
        axis.set_xlabel(label)
        axis.spines[["top", "right", "left"]].set_visible(False)
    shown = sorted({moment.modality for moment in moments})
    handles = [Patch(color=_COLOURS.get(name, "#999999"), label=name) for name in shown]
    handles.append(Patch(color=_CITED, label="cited in an answer"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _lane(
    axis: object, lane: int, moments: Sequence[Moment], cited: set[str], *, in_seconds: bool
) -> None:
    from matplotlib.axes import Axes

    assert isinstance(axis, Axes)
    rows = sorted({moment.modality for moment in moments})
    height = 0.8 / max(1, len(rows))
    for moment in sorted(moments, key=lambda m: m.moment_id in cited):
        if in_seconds:
            left, width = moment.start_s or 0.0, (moment.end_s or 0.0) - (moment.start_s or 0.0)
        else:
            left, width = float(moment.ordinal), 0.92
        marked = moment.moment_id in cited
        axis.barh(
            lane - 0.4 + height * (rows.index(moment.modality) + 0.5),
            max(width, 0.3),
            left=left,
            height=height * 0.86,
            color=_CITED if marked else _COLOURS.get(moment.modality, "#999999"),
            edgecolor="white",
            linewidth=0.6,
        )
