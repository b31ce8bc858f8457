"""The text of a note, laid out from its Markdown."""

from __future__ import annotations

from PySide6.QtCore import QUrl
from PySide6.QtGui import QAbstractTextDocumentLayout, QPainter, QTextDocument

from studio.window.theme import Theme, palette, ui_font


class NoteText(QTextDocument):
    """A note may come from a stranger: it fetches nothing, neither from the disk nor from the network, and knows no HTML."""

    def __init__(self, markdown: str, width: float) -> None:
        super().__init__()
        self.setDefaultFont(ui_font(13))
        self.setDocumentMargin(0)
        self.setMarkdown(markdown, QTextDocument.MarkdownFeature.MarkdownNoHTML)
        self.setTextWidth(width)

    def paint(self, painter: QPainter, theme: Theme) -> None:
        """At the painter's origin, in the theme's colours."""
        context = QAbstractTextDocumentLayout.PaintContext()
        context.palette = palette(theme)
        self.documentLayout().draw(painter, context)

    def loadResource(self, type: int, name: QUrl | str) -> object:  # noqa: N802 - Qt's name
        return None
