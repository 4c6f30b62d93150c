"""The replies that `bridge mappings init` writes: plain words of ours, for a brand to make its own."""

from __future__ import annotations

from typing import NamedTuple

_RESOLUTION = "{% if resolution %}{{ resolution }} {% endif %}"
_SIGNATURE = "{{ signature }}\n"


class Wording(NamedTuple):
    """How a language greets, with the customer's name and without, and what it says then.

    Where a name would have to change its ending to be called by, nobody is called by it. ``solved``
    is the news, after which comes what an agent put into the field for the public; then ``ask``.
    """

    hello: str
    hello_anybody: str
    solved: str
    ask: str
    thank: str

    @property
    def closing(self) -> str:
        """The text of the file of the closing reply."""
        return f"{self._greeting}{self.solved}{_RESOLUTION}{self.ask} {_SIGNATURE}"

    @property
    def thanks(self) -> str:
        """The text of the file of the reply that thanks for an idea."""
        return f"{self._greeting}{self.thank} {_RESOLUTION}{_SIGNATURE}"

    @property
    def _greeting(self) -> str:
        if self.hello == self.hello_anybody:
            return self.hello
        return f"{{% if customer %}}{self.hello}{{% else %}}{self.hello_anybody}{{% endif %}}"


WORDING: dict[str, Wording] = {
    "ar": Wording(
        "مرحبًا {{ customer }}، ",
        "مرحبًا، ",
        "تم حل المشكلة. ",
        "شكرًا لإبلاغنا ولصبرك. إذا ظل هناك أي شيء غير سليم، فاكتب لنا هنا وسنتابع الأمر فورًا.",
        "شكرًا على الفكرة! أوصلناها إلى الفريق الذي يقرر ما نطوره لاحقًا. "
        "لا يمكننا تحديد موعد، لكن رأيك مهم لنا.",
    ),
    "cs": Wording(
        "Dobrý den, ",
        "Dobrý den, ",
        "problém je vyřešený. ",
        "Děkujeme za upozornění a za trpělivost. Kdyby ještě něco nebylo v pořádku, "
        "napište nám sem a hned se tomu budeme věnovat.",
        "děkujeme za nápad! Předali jsme ho týmu, který rozhoduje, co přijde dál. Termín slíbit nemůžeme, "
        "ale každý takový hlas se počítá.",
    ),
    "de": Wording(
        "Hallo {{ customer }}, ",
        "Hallo, ",
        "das Problem ist jetzt behoben. ",
        "Danke für den Hinweis und für die Geduld. "
        "Falls noch etwas nicht stimmt, antworte einfach hier, und wir kümmern uns sofort darum.",
        "danke für die Idee! Sie liegt jetzt bei dem Team, das über die nächsten Schritte entscheidet. "
        "Einen Termin können wir nicht versprechen, aber jede solche Stimme zählt.",
    ),
    "en": Wording(
        "Hi {{ customer }}, ",
        "Hi, ",
        "this is sorted now. ",
        "Thank you for telling us, and for your patience. "
        "If anything still looks off, just reply here and we will pick it straight up.",
        "thank you for the idea! It is now with the people who decide what we build next. "
        "We cannot promise a date, but every wish like this one counts.",
    ),
    "es": Wording(
        "Hola, {{ customer }}: ",
        "Hola: ",
        "el problema ya está resuelto. ",
        "Gracias por avisarnos y por la paciencia. "
        "Si algo sigue sin funcionar, responde aquí y lo retomamos enseguida.",
        "gracias por la idea. Ya la tiene el equipo que decide lo próximo que haremos. "
        "No podemos prometer una fecha, pero cada opinión cuenta.",
    ),
    "fr": Wording(
        "Bonjour {{ customer }}, ",
        "Bonjour, ",
        "le problème est maintenant résolu. ",
        "Merci de nous l'avoir signalé et merci de votre patience. "
        "Si quelque chose ne va toujours pas, répondez ici et nous nous en occuperons aussitôt.",
        "merci pour cette idée ! Nous l'avons transmise à l'équipe qui décide de la suite. "
        "Nous ne pouvons pas promettre de date, mais chaque avis compte.",
    ),
    "id": Wording(
        "Halo Kak {{ customer }}, ",
        "Halo Kak, ",
        "kendalanya sudah kami selesaikan. ",
        "Terima kasih sudah memberi tahu kami dan sudah bersabar. "
        "Kalau masih ada yang kurang pas, balas saja di sini, ya. Kami siap bantu.",
        "terima kasih untuk idenya! Sudah kami teruskan ke tim yang memutuskan langkah berikutnya. "
        "Kami belum bisa menjanjikan kapan, tetapi setiap masukan sangat berarti.",
    ),
    "it": Wording(
        "Ciao {{ customer }}, ",
        "Ciao, ",
        "il problema è risolto. ",
        "Grazie per la segnalazione e per la pazienza. "
        "Se qualcosa ancora non va, rispondi qui e ce ne occupiamo subito.",
        "grazie per l'idea! È ora nelle mani del team che decide i prossimi passi. "
        "Non possiamo promettere una data, ma ogni voce conta.",
    ),
    "ja": Wording(
        "{{ customer }}様、こんにちは。",
        "こんにちは。",
        "ご連絡いただいた件は解決いたしました。",
        "お知らせいただき、またお待ちいただき、ありがとうございました。"
        "まだ気になる点がございましたら、こちらにご返信ください。すぐに対応いたします。",
        "アイデアをお寄せいただき、ありがとうございます。今後の計画を決めるチームに伝えました。"
        "時期はお約束できませんが、お一人おひとりの声を大切にしております。",
    ),
    "nl": Wording(
        "Hoi {{ customer }}, ",
        "Hoi, ",
        "het probleem is opgelost. ",
        "Bedankt voor je bericht en voor je geduld. "
        "Klopt er nog iets niet? Reageer dan hier, dan gaan we er meteen mee verder.",
        "bedankt voor het idee! Het ligt nu bij het team dat beslist wat we hierna gaan maken. "
        "We kunnen geen datum beloven, maar elke stem telt.",
    ),
    "pl": Wording(
        "Cześć, {{ customer }}! ",
        "Cześć! ",
        "Problem jest już rozwiązany. ",
        "Dziękujemy za zgłoszenie i za cierpliwość. "
        "Jeśli coś nadal nie działa, daj nam znać tutaj, a od razu się tym zajmiemy.",
        "Dziękujemy za pomysł! Trafił już do zespołu, który decyduje, co zrobimy dalej. "
        "Terminu obiecać nie możemy, ale każdy taki głos się liczy.",
    ),
    "pt": Wording(
        "Olá, {{ customer }}! ",
        "Olá! ",
        "O problema já foi resolvido. ",
        "Agradecemos o aviso e a paciência. "
        "Se algo ainda não estiver bem, responda aqui e voltaremos ao assunto de imediato.",
        "Agradecemos a ideia! Já está com quem decide os próximos passos. "
        "Não podemos prometer uma data, mas cada opinião conta.",
    ),
    "sv": Wording(
        "Hej {{ customer }}! ",
        "Hej! ",
        "Problemet är nu löst. ",
        "Tack för att du hörde av dig och för ditt tålamod. "
        "Om något fortfarande inte stämmer, svara här så tar vi tag i det direkt.",
        "Tack för idén! Den ligger nu hos dem som bestämmer vad vi gör härnäst. "
        "Vi kan inte lova något datum, men varje röst räknas.",
    ),
    "th": Wording(
        "สวัสดีค่ะ คุณ{{ customer }} ",
        "สวัสดีค่ะ ",
        "ตอนนี้เราแก้ปัญหาให้เรียบร้อยแล้วนะคะ ",
        "ขอบคุณมากที่แจ้งให้เราทราบและอดใจรอ หากยังพบปัญหาอยู่ ตอบกลับตรงนี้ได้เลยค่ะ เรายินดีช่วยดูแลต่อทันที",
        "ขอบคุณสำหรับไอเดียดี ๆ นะคะ เราส่งต่อให้ทีมที่ดูแลเรื่องนี้เรียบร้อยแล้ว "
        "แม้ยังบอกกำหนดไม่ได้ แต่ทุกความเห็นมีความหมายกับเราจริง ๆ ค่ะ",
    ),
    "tr": Wording(
        "Merhaba {{ customer }}, ",
        "Merhaba, ",
        "sorun çözüldü. ",
        "Haber verdiğiniz ve sabrınız için teşekkür ederiz. "
        "Hâlâ bir aksaklık varsa buraya yazın, hemen ilgilenelim.",
        "fikriniz için teşekkür ederiz! Bundan sonra ne yapacağımıza karar veren ekibe ilettik. "
        "Tarih sözü veremiyoruz, ama her görüş bizim için değerli.",
    ),
    "uk": Wording(
        "Вітаємо! ",
        "Вітаємо! ",
        "Проблему вже вирішено. ",
        "Дякуємо, що повідомили, і дякуємо за терпіння. "
        "Якщо щось досі не так, напишіть тут, і ми одразу цим займемося.",
        "Дякуємо за ідею! Ми передали її команді, яка вирішує, що робити далі. "
        "Термінів обіцяти не можемо, але кожна думка важлива.",
    ),
    "vi": Wording(
        "Chào {{ customer }}, ",
        "Chào bạn, ",
        "vấn đề đã được khắc phục. ",
        "Cảm ơn bạn đã cho chúng tôi biết và đã kiên nhẫn chờ đợi. "
        "Nếu vẫn còn điều gì chưa ổn, bạn hãy trả lời tại đây, chúng tôi sẽ xử lý ngay.",
        "cảm ơn bạn vì ý tưởng! Chúng tôi đã chuyển đến nhóm quyết định những việc tiếp theo. "
        "Chúng tôi chưa thể hứa thời gian cụ thể, nhưng mọi ý kiến đều có giá trị.",
    ),
}
