package render

import (
	"encoding/base64"
	"encoding/csv"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"unicode/utf8"
)

// Bounds on a CSV file that is shown as a table, and on a cell of it.
const (
	maxCSVRows    = 200
	maxCSVColumns = 50
	maxCSVCell    = 500
)

// languages maps the ends of file names to what chroma or our own reader calls the language.
var languages = map[string]string{
	".py": "python", ".r": "r", ".jl": "julia", ".sql": "sql", ".sh": "bash", ".c": "c", ".h": "c", ".cpp": "cpp",
	".java": "java", ".js": "javascript", ".json": "json", ".yml": "yaml", ".yaml": "yaml", ".toml": "toml",
	".tex": "tex", ".m": "matlab", ".go": "go", ".rs": "rust", ".f90": "fortran", ".css": "css", ".html": "html",
	".xml": "xml",
}

// File shows a file of a submission that is not a notebook: CSV as a table, Markdown laid out, pictures, code in
// colour, other text plain. What is not text is named and not shown. name is trusted only as far as its ending.
func (r *Renderer) File(name string, content []byte) []byte {
	b := []byte(`<div class="nb nb-file">`)
	ext := strings.ToLower(path.Ext(name))
	switch {
	case len(content) == 0:
		b = appendNote(b, "This file is empty.")
	case slices.Contains(rasterTypes, http.DetectContentType(content)):
		b = r.page().filePicture(b, name, content)
	case !utf8.Valid(content) || strings.IndexByte(string(content[:min(len(content), 8000)]), 0) >= 0:
		b = appendNote(b, "This file is not text ("+thousands(len(content))+" bytes). Download it to look at it.")
	case ext == ".csv" || ext == ".tsv":
		b = r.csv(b, string(content), ext == ".tsv")
	case ext == ".md" || ext == ".markdown":
		b = append(b, r.Markdown(string(content))...)
	case languages[ext] != "":
		shown, note := fold(string(content))
		b = appendNote(r.appendCode(b, languages[ext], shown), note)
	default:
		b = r.appendPlain(b, string(content))
	}
	return append(b, `</div>`...)
}

func (p *page) filePicture(b []byte, name string, content []byte) []byte {
	if len(content) > maxPicture/4*3 {
		return appendImageNote(b, name, "is too large to be shown here")
	}
	pic, why := p.picture(base64.StdEncoding.EncodeToString(content))
	if why != "" {
		return appendImageNote(b, name, why)
	}
	return pic.append(b, name)
}

// csv shows a table. The separator is the one that the first line has most of.
func (r *Renderer) csv(b []byte, text string, tabs bool) []byte {
	text = strings.TrimPrefix(text, "\ufeff")
	first, _, _ := strings.Cut(text, "\n")
	reader := csv.NewReader(strings.NewReader(text))
	reader.FieldsPerRecord = -1
	reader.LazyQuotes = true
	reader.ReuseRecord = true
	switch {
	case tabs || strings.Count(first, "\t") > strings.Count(first, ","):
		reader.Comma = '\t'
	case strings.Count(first, ";") > strings.Count(first, ","):
		reader.Comma = ';'
	}
	from := len(b)
	b = append(b, `<div class="nb-scroll" tabindex="0"><table class="nb-table">`...)
	rows, columns := 0, 0
	for ; ; rows++ {
		record, err := reader.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return r.appendPlain(b[:from], text)
		}
		if rows > maxCSVRows {
			continue
		}
		columns = max(columns, len(record))
		b = appendRecord(b, record, rows == 0)
	}
	if rows == 0 {
		return r.appendPlain(b[:from], text)
	}
	b = append(b, `</tbody></table></div>`...)
	if more := rows - 1 - maxCSVRows; more > 0 {
		b = appendNote(b, "… "+thousands(more)+" more rows not shown")
	}
	if more := columns - maxCSVColumns; more > 0 {
		b = appendNote(b, "… "+thousands(more)+" more columns not shown")
	}
	return b
}

func appendRecord(b []byte, record []string, head bool) []byte {
	tag := "td"
	if head {
		tag = "th"
		b = append(b, `<thead>`...)
	}
	b = append(b, `<tr>`...)
	for i, cell := range record {
		if i == maxCSVColumns {
			break
		}
		b = append(append(append(b, '<'), tag...), '>')
		b = appendText(b, clip(cell, maxCSVCell))
		b = appendEnd(b, tag)
	}
	b = append(b, `</tr>`...)
	if head {
		b = append(b, `</thead><tbody>`...)
	}
	return b
}
