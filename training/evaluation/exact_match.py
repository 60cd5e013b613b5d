"""Whether a reply is the whole action that was asked for: every field, or it is a miss."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from moray import actions as a
from moray.errors import BadAction
from moray.training.data.examples import Example
from moray.training.evaluation.asking import Reply
from moray.training.evaluation.report import Decoding, Difference, Matches, Mistake, Rate


def action_of(reply: Reply, decoding: Decoding) -> a.Action | None:
    """None where the reply is none: refused by the gateway, or text that does not parse."""
    if reply.refusal:
        return None
    try:
        # A schema allows line ends between the parts of an object.
        return a.parse_action(reply.text) if decoding == "constrained" else a.parse_answer(reply.text)[0]
    except BadAction:
        return None


def is_match(example: Example, reply: Reply, decoding: Decoding) -> bool:
    action = action_of(reply, decoding)
    return action is not None and example.action is not None and a.canonical(action) == a.canonical(example.action)


def groups_of(example: Example) -> tuple[str, ...]:
    """``all``; ``clarify`` and ``refuse``, whatever the example's kind, where that is the right answer; its kind."""
    answers = [do for do, kind in (("clarify", a.Clarify), ("refuse", a.Refuse)) if isinstance(example.action, kind)]
    return ("all", *answers, f"kind {example.kind}")


def count_matches(requests: Sequence[Example], are_right: Sequence[bool], decoding: Decoding) -> Iterator[Matches]:
    """One of each language."""
    for language in sorted({example.language for example in requests}):
        num, hits = Counter[str](), Counter[str]()
        for example, is_right in zip(requests, are_right, strict=True):
            if example.language == language:
                num.update(groups_of(example))
                hits.update(groups_of(example) if is_right else ())
        groups = {group: Rate(hits=hits[group], num=num[group]) for group in sorted(num)}
        yield Matches(decoding=decoding, language=language, groups=groups)


def differences(
    requests: Sequence[Example], these: Sequence[bool], others: Sequence[bool], against: str, decoding: Decoding
) -> Iterator[Difference]:
    """One of each language."""
    for language in sorted({example.language for example in requests}):
        pairs = Counter(
            (this, other)
            for example, this, other in zip(requests, these, others, strict=True)
            if example.language == language
        )
        yield Difference(
            against=against,
            decoding=decoding,
            language=language,
            only_this=pairs[True, False],
            only_other=pairs[False, True],
            num=pairs.total(),
        )


def mistakes(
    requests: Sequence[Example], replies: Sequence[Reply], are_right: Sequence[bool], decoding: Decoding
) -> Iterator[Mistake]:
    for example, reply, is_right in zip(requests, replies, are_right, strict=True):
        if not is_right and example.action is not None:
            yield Mistake(
                decoding=decoding,
                kind=example.kind,
                request=" / ".join(message.text for message in example.messages[:-1]),
                expected=a.canonical(example.action),
                got=reply.refusal or reply.text,
            )
