package exchange_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"lectern/exchange"
)

// BenchmarkSnapshot220Homes collects a class at its due time: 220 working copies of
// three files each, history and submitted/, all on the disk when it returns.
func BenchmarkSnapshot220Homes(b *testing.B) {
	const class, workers = 220, 4
	x := open(b, b.TempDir())
	cell := `{"cell_type": "code", "source": ["x = 1"], "metadata": {}, "outputs": [], "execution_count": null}`
	text := `{"cells": [` + strings.Repeat(cell+",", 200) + cell + `], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}`
	for i := range class {
		home := must(x.Layout.WorkingCopy("c1", fmt.Sprintf("student%d", i), "ps1"))
		put(b, home, map[string]string{"ps1.ipynb": text, "ps2.ipynb": text, filepath.Join("data", "x.csv"): strings.Repeat("1,2,3\n", 2000)})
	}
	round := 0
	b.ResetTimer()
	for b.Loop() {
		round++
		at := due.Add(time.Duration(round) * time.Hour)
		var wg sync.WaitGroup
		turn := make(chan struct{}, workers)
		for i := range class {
			wg.Go(func() {
				turn <- struct{}{}
				defer func() { <-turn }()
				w := exchange.Work{Course: "c1", Login: fmt.Sprintf("student%d", i), Assignment: "ps1"}
				s, err := x.Collect(context.Background(), w, at, counts)
				if err != nil || len(s.Files) != 3 {
					b.Errorf("Collect(%s) = %d files, %v", w, len(s.Files), err)
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/class")
}
