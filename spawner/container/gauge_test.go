package container

import (
	"os"
	"strings"
	"testing"
)

func TestWhatAMachineHasLeft(t *testing.T) {
	t.Parallel()
	const meminfo = "MemTotal:       16000000 kB\nMemFree:          100000 kB\nMemAvailable:    9000000 kB\nHugePages_Total:       0\n"
	got, err := parseFree([]byte(meminfo), []byte("3.25 2.00 1.00 4/512 1234\n"))
	if want := (Free{Total: 16000000 << 10, Memory: 9000000 << 10, Load: 3.25}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
	for _, c := range [][2]string{{"", "1 1 1"}, {"MemTotal: 5 kB\n", "1 1 1"}, {meminfo, ""}} {
		if got, err := parseFree([]byte(c[0]), []byte(c[1])); err == nil {
			t.Errorf("%q is read as %+v", c, got)
		}
	}
}

// The real machine, whose memory somebody takes and gives back.
func TestThisMachineTellsWhatIsLeft(t *testing.T) {
	read := func() Free {
		t.Helper()
		got, err := here()
		if err != nil || len(got) != 1 {
			t.Fatalf("%+v, %v", got, err)
		}
		return got[0]
	}
	before := read()
	if before.Total < 1<<28 || before.Memory <= 0 || before.Memory > before.Total || before.CPUs < 1 || before.Load < 0 || before.Booked {
		t.Fatalf("this machine is %+v", before)
	}
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil || !strings.Contains(string(text), "MemAvailable:") {
		t.Fatalf("%v: %.200s", err, text)
	}
	block := make([]byte, 512<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	after := read()
	if took := before.Memory - after.Memory; took < 256<<20 {
		t.Errorf("with %d MiB more in use %d MiB less are left", len(block)>>20, took>>20)
	}
	block[0] = 2 // it was in use until here
}

// Every driver whose machines can be measured is a gauge, also behind a pool: with
// another a spawner starts without looking.
var _ = []Gauge{(*Docker)(nil), (*Swarm)(nil), (*Process)(nil), (*Pool)(nil)}
