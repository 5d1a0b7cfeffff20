"""What the served engine says of masks, held against the reference."""

from __future__ import annotations

from dataclasses import dataclass, field

from ssa_client import LabelledMask
from tests.reference.engine import Label, Vote

# What rounding may turn around: a lead in shares of a mask, in CLIP's softmax, or in BLIP's logits.
SHARE_TIE = 0.01
SCORE_TIE = 0.001
CAPTION_TIE = 0.01


@dataclass(frozen=True)
class Difference:
    """The first thing that the two sides disagree on, and why all that follows does too.

    `is_tie` tells whether the reference itself was so undecided that rounding may decide.
    """

    reason: str
    is_tie: bool


@dataclass
class Tally:
    """What was compared over all masks."""

    masks: int = 0
    other_names: list[Difference] = field(default_factory=list)
    other_proposals: list[Difference] = field(default_factory=list)
    other_captions: int = 0

    def add(self, where: str, expected: Label, served: LabelledMask) -> None:
        """Count one mask; `where` says which one."""
        self.masks += 1
        self.other_captions += expected.caption != served.caption
        same_name = expected.class_name == served.class_name
        same_proposals = expected.class_proposals == served.class_proposals
        if same_name and same_proposals:
            return
        found = difference(where, expected, served)
        if not same_name:
            self.other_names.append(found)
        if not same_proposals:
            self.other_proposals.append(found)

    @property
    def differences(self) -> list[Difference]:
        """Each one once."""
        return list(dict.fromkeys([*self.other_names, *self.other_proposals]))

    def __str__(self) -> str:
        names, proposals = len(self.other_names), len(self.other_proposals)
        lines = [
            f"{self.masks} masks; class_name equal for {self.masks - names}, class_proposals for "
            f"{self.masks - proposals}, captions for {self.masks - self.other_captions}"
        ]
        lines += [f"{'tie' if d.is_tie else 'NOT A TIE'}: {d.reason}" for d in self.differences]
        return "\n".join(lines)


def difference(where: str, expected: Label, served: LabelledMask) -> Difference:
    """Where the two sides part."""
    if expected.coco.name != served.coco_name:
        return _other_vote(f"{where}, COCO vote", expected.coco, served.coco_name)
    if expected.ade20k.name != served.ade20k_name:
        return _other_vote(f"{where}, ADE20K vote", expected.ade20k, served.ade20k_name)
    if expected.caption != served.caption:
        return Difference(
            f"{where}, caption: {expected.caption!r} by {expected.caption_margin:.1e} logits, "
            f"served {served.caption!r}",
            expected.caption_margin <= CAPTION_TIE,
        )
    if expected.class_proposals != served.class_proposals:
        gap = _score_gap(expected, served.class_proposals)
        return Difference(
            f"{where}, CLIP: {expected.class_proposals} by {gap:.1e} of the softmax, "
            f"served {served.class_proposals}",
            gap <= SCORE_TIE,
        )
    shares = dict(zip(expected.class_proposals, expected.clipseg_shares, strict=True))
    lead = shares[expected.class_name] - shares[served.class_name]
    return Difference(
        f"{where}, CLIPSeg: {expected.class_name!r} by {lead:.1e} of {served.area} pixels, "
        f"served {served.class_name!r}",
        lead <= max(SHARE_TIE, 2 / served.area),
    )


def _other_vote(where: str, vote: Vote, served: str) -> Difference:
    return Difference(
        f"{where}: {vote.name!r} by {vote.margin:.1e} of the mask, served {served!r}",
        vote.margin <= SHARE_TIE,
    )


def _score_gap(expected: Label, served: tuple[str, ...]) -> float:
    """The largest distance between two names' scores where one stands for the other."""
    scores = dict(zip(expected.candidates, expected.scores, strict=True))
    if len(served) != len(expected.class_proposals) or not scores.keys() >= set(served):
        return float("inf")
    pairs = zip(expected.class_proposals, served, strict=True)
    return max(abs(scores[ours] - scores[theirs]) for ours, theirs in pairs)
