package static

import "regexp"

// Inline is the style of a page that has to stand alone, such as feedback that a
// student keeps: the site's colours and text, notebooks, and marks beside them.
// Formulas take a font of the reader's own: ours weighs more than most feedback.
func Inline() []byte {
	var b []byte
	for _, name := range []string{"tokens.css", "base.css", "notebook.css", "feedback-page.css"} {
		b = append(b, mustRead(name)...)
	}
	return fontFace.ReplaceAll(b, nil)
}

var fontFace = regexp.MustCompile(`(?s)@font-face \{.*?\}\n`)
