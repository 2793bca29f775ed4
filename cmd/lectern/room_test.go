package main

import (
	"fmt"
	"testing"
)

func TestThereIsRoomAheadOnlyIfAnEighthIsLeft(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		total, free int64 // MiB
		want        bool
	}{{8192, 2048, true}, {8192, 2047, false}, {2048, 1024, false}, {65536, 9216, true}, {65536, 9215, false}} {
		text := fmt.Sprintf("MemTotal:       %d kB\nMemFree:  1 kB\nMemAvailable:   %d kB\nHugePages_Total:       0\n", c.total<<10, c.free<<10)
		if got := hasRoom([]byte(text), 1<<30); got != c.want {
			t.Errorf("%d of %d MiB free: %v, want %v", c.free, c.total, got, c.want)
		}
	}
	if !hasRoom(nil, 1<<30) {
		t.Error("a machine that does not tell has no room")
	}
}

func TestPrestartIsANumber(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"0": 0, "10": 10} {
		if got, err := parsePrestart(in); err != nil || got != want {
			t.Errorf("%q = %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "-1", "off", "10001"} {
		if _, err := parsePrestart(in); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func TestThePoolIsANumber(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]int{"0": 0, "2": 2, "100": 100} {
		if got, err := parsePool(in); err != nil || got != want {
			t.Errorf("%q = %d, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "-1", "auto", "101"} {
		if _, err := parsePool(in); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}
