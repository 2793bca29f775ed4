package render

import (
	"strconv"
	"strings"

	"lectern/course/notebook"
)

// kindLabels are the words a grader reads beside a cell. The second is the class.
var kindLabels = map[notebook.Kind][2]string{
	notebook.KindAnswer:   {"Answer", "answer"},
	notebook.KindTests:    {"Tests", "tests"},
	notebook.KindManual:   {"Answer, graded by hand", "manual"},
	notebook.KindTask:     {"Task, graded by hand", "task"},
	notebook.KindReadOnly: {"Read-only", "readonly"},
}

func (p *page) cell(b []byte, c *notebook.Cell, i int, lang string, opt *Options) []byte {
	number := itoa(i + 1)
	meta, _ := c.Meta()
	label, known := kindLabels[meta.Kind()]
	b = append(b, `<section class="nb-cell nb-`...)
	switch c.Type {
	case notebook.Code, notebook.Markdown:
		b = append(b, c.Type...)
	default:
		b = append(b, notebook.Raw...)
	}
	if known {
		b = append(append(b, " nb-"...), label[1]...)
	}
	b = append(b, `" id="`...)
	if opt.Name != "" {
		b = append(appendAttr(b, strings.Join(strings.Fields(opt.Name), "-")), '-')
	}
	b = append(append(append(b, `cell-`...), number...), `" aria-label="Cell `...)
	b = append(append(b, number...), `">`...)
	b = appendHead(b, c, meta, label[0], number)
	if opt.Before != nil {
		b = append(b, opt.Before(i)...)
	}
	p.attached = c.Attachments
	switch c.Type {
	case notebook.Code:
		if c.Source != "" {
			b = p.r.appendCode(b, lang, c.Source)
		}
		b = p.outputs(b, c, i, opt)
	case notebook.Markdown:
		b = append(b, `<div class="nb-md">`...)
		b = p.markdown(b, c.Source)
		b = append(b, `</div>`...)
	default:
		b = p.r.appendPlain(b, c.Source)
	}
	p.attached = nil
	if opt.After != nil {
		b = append(b, opt.After(i)...)
	}
	return append(b, "</section>\n"...)
}

// appendHead writes the line above a cell: In [3], what nbgrader makes of it, points. Plain text has none.
func appendHead(b []byte, c *notebook.Cell, meta notebook.Meta, label, number string) []byte {
	if c.Type == notebook.Markdown && label == "" {
		return b
	}
	b = append(b, `<header class="nb-head">`...)
	switch c.Type {
	case notebook.Code:
		b = append(b, `<span class="nb-prompt">In [`...)
		if c.ExecutionCount != nil {
			b = strconv.AppendInt(b, int64(*c.ExecutionCount), 10)
		} else {
			b = append(b, "\u00a0"...)
		}
		b = append(b, `]</span>`...)
	case notebook.Markdown:
	default:
		b = append(b, `<span class="nb-prompt">Raw</span>`...)
	}
	if label != "" {
		b = append(append(append(b, `<span class="nb-kind">`...), label...), `</span>`...)
		if meta.GradeID != "" {
			b = append(appendText(append(b, `<code class="nb-id">`...), meta.GradeID), `</code>`...)
		}
		if meta.Kind().Scored() {
			b = append(b, `<span class="nb-points">`...)
			b = strconv.AppendFloat(b, meta.Points, 'f', -1, 64)
			if meta.Points == 1 {
				b = append(b, ` point</span>`...)
			} else {
				b = append(b, ` points</span>`...)
			}
		}
	}
	return append(b, `</header>`...)
}
