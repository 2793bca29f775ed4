package main

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"testing"
)

// Not parallel: the standard library's logger is one for the whole process.
func TestWhatTheLibraryLogsIsForDebugging(t *testing.T) {
	for level, want := range map[string]bool{"": false, "debug": true} {
		var out bytes.Buffer
		l := (&env{stderr: &out, getenv: func(string) string { return level }}).logger()
		libraryLog(l)
		log.Print("Unsolicited response received on idle HTTP channel starting with a student's bytes")
		l.Info("ours")
		libraryLog(slog.New(slog.DiscardHandler))
		if got := out.String(); strings.Contains(got, "Unsolicited") != want || !strings.Contains(got, `"msg":"ours"`) {
			t.Errorf("with LECTERN_LOG=%q the log says %q", level, got)
		}
	}
}
