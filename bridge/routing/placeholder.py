"""Whether words in brackets are a field that was to be filled in, such as [customer name].

Agents write remarks in brackets, too. So only what is put together from a field's usual
words counts, in the languages of the airlock's greetings, and what no remark looks like.
"""

from __future__ import annotations

import re

from bridge.routing.match import fold


def _words(*written: str) -> frozenset[str]:
    return frozenset(word for line in written for word in fold(line).split())


_FIELDS = _words(
    # English
    "name firstname lastname fullname surname username nickname salutation customer customername client",
    "user handle agent agentname signature date time datetime deadline order ordernumber orderid ticket",
    "ticketnumber ticketid case casenumber reference link url website email e-mail mail phone telephone",
    "address company brand product amount price placeholder",
    # Indonesian
    "nama pelanggan pengguna agen tanggal waktu jam pesanan tautan alamat perusahaan merek produk jumlah",
    "harga",
    # Polish
    "imię imienia nazwisko nazwa klient klienta użytkownik użytkownika konsultant konsultanta data",
    "godzina zamówienie zamówienia zgłoszenie zgłoszenia odnośnik adres firma firmy marka produktu kwota",
)
_BESIDE = _words(
    "the a an of for my our your their first last full given family number no nr id insert enter add here",
    "depan belakang lengkap anda kakak nomor no masukkan isi di sini",
    "twoje twój pełne numer nr wpisz wstaw tu tutaj",
)
"""Words that a field may have besides, and that are none by themselves."""
_PATH = _words(
    "requester assignee submitter recipient sender contact account organization organisation group current",
    "latest public comment title subject description status custom field value billing shipping tracking",
)
"""What else stands in [ticket.requester.name], and in remarks, too."""
# Thai is written without spaces: a field is any of these, one after the other.
_THAI = "ชื่อ นามสกุล ลูกค้า ผู้ใช้ เจ้าหน้าที่ วันที่ เวลา คำสั่งซื้อ ลิงก์ ลิงค์ ที่อยู่ อีเมล สินค้า บริษัท"
_THAI_BESIDE = "เลขที่ หมายเลข ของ คุณ ใส่ กรอก"
_THAI_FIELD = re.compile(f"(?:{'|'.join(fold(f'{_THAI} {_THAI_BESIDE}').split())})+")
_THAI_FIELDS = tuple(fold(_THAI).split())

_REMARKS = _words(
    "solved resolved fixed closed done update updated edit edited corrected new news info faq fyi psa urgent",
    "important notice spoiler nsfw video photo image pic gif thread eng tha pol ind deleted removed",
    "live sic tba tbc",
    "selesai penting baru foto gotowe rozwiązane ważne zdjęcie wideo",
)
"""What people put in capitals and brackets, and mean."""
_SHORTEST_IN_CAPITALS = 3

_PARTS = re.compile(r"[\s_.-]+")
_DOTTED = re.compile(r"\w+(?:\.\w+)+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_SNAKE = re.compile(r"[^\W\d_]+(?:_+[^\W\d_]+)+")


def is_field(inside: str) -> bool:
    """Whether *inside*, the words between two brackets, names a field."""
    inside = inside.strip()
    if _SNAKE.fullmatch(inside):
        return True
    words = [fold(word).removesuffix("'s") for word in _PARTS.split(_CAMEL.sub(" ", inside)) if word]
    whole = _PARTS.sub(" ", inside)
    if whole.replace(" ", "").isalpha() and whole.isupper():
        return len(whole) >= _SHORTEST_IN_CAPITALS and not _REMARKS.intersection(words)
    beside = _BESIDE | _PATH if _DOTTED.fullmatch(inside) else _BESIDE
    if not all(word in _FIELDS or word in beside or _THAI_FIELD.fullmatch(word) for word in words):
        return False
    return any(word in _FIELDS or any(field in word for field in _THAI_FIELDS) for word in words)
