package container

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// The whole of a grader's lock-down. A change of the golden file is a change of
// the security of every mark.
func TestBodyOfAGrader(t *testing.T) {
	t.Parallel()
	config, host := sealedBody(Sealed{Image: "sha256:abc", For: "site", Command: []string{"python3", "-I", "-m", "lectern_driver"}})
	got, err := json.MarshalIndent(map[string]any{"Config": config, "HostConfig": host}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	const golden = "testdata/grader.json"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the body differs from %s:\n%s", golden, got)
	}
	if host.NetworkMode != "none" || !host.ReadonlyRootfs || len(host.Mounts)+len(host.Binds) != 0 || host.CapDrop[0] != "ALL" || len(host.CapAdd) != 3 ||
		host.Memory == 0 || host.MemorySwap != host.Memory || *host.PidsLimit == 0 || host.LogConfig.Type != "none" || len(host.SecurityOpt) != 1 {
		t.Errorf("a grader is open somewhere: %+v", host)
	}
}

func TestTailKeepsTheLastWords(t *testing.T) {
	t.Parallel()
	var l tail
	for range 100 {
		l.Write(bytes.Repeat([]byte("x"), 100))
	}
	l.Write([]byte("end"))
	if s := l.String(); len(s) != lastWords || s[len(s)-4:] != "xend" {
		t.Errorf("kept %d bytes ending in %q", len(s), s[len(s)-4:])
	}
}
