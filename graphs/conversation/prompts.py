"""The fixed phrases of a conversation, and the rules that tell small talk from questions."""

from __future__ import annotations

import re

_SMALL_TALK = re.compile(
    r"^\W*(?:hi|hello|hey|namaste|namaskar|good (?:morning|afternoon|evening)|thanks?(?: you)?|"
    r"thank you(?: very| so)? much|ok(?:ay)?|great|bye|goodbye|see you|dhanyavaad|shukriya|"
    r"नमस्ते|नमस्कार|धन्यवाद|शुक्रिया|ठीक है|अलविदा|"
    r"who are you|what can you do|help|आप कौन हैं|मदद)\W*$",
    re.I,
)
_REFERS_BACK = re.compile(
    r"\b(?:it|its|he|she|him|her|his|they|them|their|that|this|those|these|there|then)\b|"
    r"^(?:and|what about|how about|why|since when|until when)\b|"
    r"\b(?:वह|वे|उस\w*|उन\w*|यह|ये|इस\w*|वहाँ|तब)\b|^(?:और|क्यों)",
    re.I,
)
_SMALL_TALK_REPLY = {
    "en": "Ask me about what was said, shown or written in '{corpus}'; I answer with the source "
    "and the second.",
    "hi": "'{corpus}' में क्या कहा, दिखाया या लिखा गया, यह पूछिए; मैं स्रोत और समय के साथ उत्तर दूँगा।",
}
NOT_HEARD = {
    "en": "I heard no question in the recording.",
    "hi": "रिकॉर्डिंग में कोई प्रश्न सुनाई नहीं दिया।",
}


def is_small_talk(text: str) -> bool:
    """True when the text asks nothing that evidence could answer."""
    return bool(_SMALL_TALK.match(text))


def refers_back(text: str) -> bool:
    """True when a short question leans on the one before it ("and when was that?")."""
    return len(text.split()) <= 9 and bool(_REFERS_BACK.search(text))


def small_talk_reply(language: str, corpus: str) -> str:
    return _SMALL_TALK_REPLY.get(language, _SMALL_TALK_REPLY["en"]).format(corpus=corpus)
