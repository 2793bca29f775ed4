package render

import (
	"strings"

	"lectern/course/notebook"
)

// FrameCSP is the Content-Security-Policy of documents made by Raw. Whoever serves them adds frame-ancestors with the
// site's own origin, X-Content-Type-Options: nosniff and Referrer-Policy: no-referrer.
const FrameCSP = "sandbox; default-src 'none'; img-src data:; style-src 'unsafe-inline'"

const widgetMIME = "application/vnd.jupyter.widget-view+json"

// foreign names the first type of a bundle that would have to run or style itself, "" if there is none.
func foreign(data notebook.Bundle) string {
	for _, mime := range []string{widgetMIME, "text/html", "application/javascript", "text/javascript"} {
		if _, ok := data[mime]; ok {
			return mime
		}
	}
	return ""
}

// frame shows foreign HTML in a frame that can do nothing, or says why it is not shown; the text form stands below.
func (p *page) frame(b []byte, mime, plain string, cell, output int, opt *Options) []byte {
	var address string
	if mime == "text/html" && opt.Frame != nil {
		address = opt.Frame(cell, output, mime)
	}
	switch {
	case address != "":
		b = appendKeyValue(append(b, `<iframe class="nb-frame" sandbox loading="lazy"`...), "src", address)
		b = appendKeyValue(b, "title", "Output of cell "+itoa(cell+1))
		b = append(b, `></iframe>`...)
		b = append(b, `<p class="nb-note">Made by the notebook. Scripts do not run in it.</p>`...)
	case mime == widgetMIME:
		b = appendNote(b, "An interactive widget is not shown here.")
	case mime == "text/html":
		b = appendNote(b, "An output in HTML is not shown here.")
	default:
		b = appendNote(b, "An output that is a script is not run.")
	}
	if strings.TrimSpace(plain) != "" {
		b = appendTerminal(b, "nb-plain", plain)
	}
	return b
}

// Raw returns the HTML document for the frame of an output, false if the output has no HTML. The document is exactly
// as hostile as the output: serve it at the content origin, under FrameCSP, and nowhere else.
func Raw(o *notebook.Output) ([]byte, bool) {
	html, ok := o.Data.Text("text/html")
	if !ok {
		return nil, false
	}
	b := []byte(`<!doctype html><html><head><meta charset="utf-8"><meta name="referrer" content="no-referrer">` +
		`<title>Output</title><style>body{font:14px/1.45 system-ui,sans-serif;margin:8px;background:#fff;color:#1b1b1b}` +
		`table{border-collapse:collapse}td,th{padding:2px 8px}img{max-width:100%}</style></head><body>`)
	return append(b, html...), true
}
