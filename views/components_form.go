package views

import (
	"strconv"
	"strings"

	"github.com/a-h/templ"
)

// fieldAttrs are the attributes that every kind of input shares.
func fieldAttrs(f FieldView) templ.Attributes {
	a := describedBy(f)
	a["id"], a["name"] = "f-"+f.Name, f.Name
	// A folder may be given instead of files, so neither input alone is required.
	a["required"] = !f.Optional && !f.Folder
	a["disabled"] = f.Disabled
	return a
}

// describedBy ties an input to its hint, its unit and its error for a screen reader.
func describedBy(f FieldView) templ.Attributes {
	a := templ.Attributes{}
	var ids []string
	if f.Hint != "" {
		ids = append(ids, "h-"+f.Name)
	}
	if f.Suffix != "" {
		ids = append(ids, "s-"+f.Name)
	}
	if f.Error != "" {
		ids = append(ids, "e-"+f.Name)
		a["aria-invalid"] = "true"
	}
	if len(ids) > 0 {
		a["aria-describedby"] = strings.Join(ids, " ")
	}
	return a
}

func inputType(t string) string {
	if t == "" {
		return "text"
	}
	return t
}

func checkValue(v string) string {
	if v == "" {
		return "on"
	}
	return v
}

func rows(n int) string {
	if n == 0 {
		n = 4
	}
	return strconv.Itoa(n)
}
