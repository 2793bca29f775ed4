package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// ways are the columns of the proxies' table; Lectern is the first.
var ways = []struct{ name, title string }{
	{"lectern", "Lectern"}, {"bare", "bare Go"}, {"tuned", "bare, kept"}, {"nginx", "nginx"}, {"chp", "c-h-p"}, {"direct", "direct"},
}

var measures = []struct {
	bench, unit, title string
	ratio              bool // beside Lectern's
}{
	{"Proxies/1KiB", "req/s", "1 KiB, req/s", true},
	{"Proxies/1KiB", "p99-ms", "p99, ms", false},
	{"Proxies/1MiB", "req/s", "1 MiB, req/s", true},
	{"Proxies/1MiB", "p99-ms", "p99, ms", false},
	{"Proxies/echo", "msg/s", "64 websockets, messages/s", true},
	{"Proxies/echo", "p50-ms", "p50, ms", false},
	{"Proxies/echo", "p99-ms", "p99, ms", false},
	{"Proxies/idle", "MB", "3,000 idle websockets, MB", false},
}

// sideBySide writes what the proxies did in one run: the figures, and below them
// Lectern's divided by each. "bare, kept" is the bare one with as many
// connections kept as its clients have.
func sideBySide(to io.Writer, f figures) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	defer w.Flush()
	headed := false
	for _, m := range measures {
		ours, ok := f.of(m.bench, "lectern-"+m.unit)
		if !ok {
			continue
		}
		if !headed {
			headed = true
			for _, way := range ways {
				fmt.Fprint(w, "\t"+way.title)
			}
			fmt.Fprintln(w)
		}
		figures, ratios := m.title, "Lectern ÷ this\t"
		for i, way := range ways {
			figure, ratio := "", ""
			if v, ok := f.of(m.bench, way.name+"-"+m.unit); ok && v > 0 {
				figure = fmt.Sprintf("%.4g", v)
				if v >= 1000 {
					figure = fmt.Sprintf("%.0f", v)
				}
				ratio = fmt.Sprintf("%.2f", ours/v)
			}
			figures += "\t" + figure
			if i > 0 {
				ratios += "\t" + ratio
			}
		}
		fmt.Fprintln(w, figures)
		if m.ratio {
			fmt.Fprintln(w, ratios)
		}
	}
	if headed {
		fmt.Fprintln(w)
	}
}
