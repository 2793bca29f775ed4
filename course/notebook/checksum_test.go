package notebook

import (
	"encoding/json"
	"math"
	"testing"
)

func TestChecksumOfTheFormatsTestVectors(t *testing.T) {
	t.Parallel()
	meta := func(pairs ...any) map[string]any {
		m := map[string]any{"schema_version": 3, "grade": false, "solution": false, "locked": false}
		for i := 0; i < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1]
		}
		return map[string]any{"nbgrader": m}
	}
	for _, c := range []struct {
		cell Cell
		want string
	}{
		{Cell{Type: Code, Source: `print("Success!")`, Metadata: meta("grade", true, "grade_id", "foo", "points", json.Number("1"))},
			"8bb5c7c6f388fae724e5ef53dc4deeb2"},
		{Cell{Type: Code, Source: `print("Success!")`, Metadata: meta("grade", true, "grade_id", "foo", "points", 1.0, "locked", true)},
			"8bb5c7c6f388fae724e5ef53dc4deeb2"},
		{Cell{Type: Code, Source: "# YOUR CODE HERE\nraise NotImplementedError()", Metadata: meta("solution", true, "grade_id", "set_a")},
			"3d6aac4236f8e1ec85380e692dcc51b1"},
	} {
		if got := Checksum(&c.cell); got != c.want {
			t.Errorf("Checksum(%q) = %s, want %s", c.cell.Source, got, c.want)
		}
	}
}

func TestFloatsHavePythonsForm(t *testing.T) {
	t.Parallel()
	for f, want := range map[float64]string{
		1: "1.0", 0.5: "0.5", 10: "10.0", 1e16: "1e+16", 1e15: "1000000000000000.0", 1e-5: "1e-05", 0.0001: "0.0001",
		123456789.125: "123456789.125", 1e100: "1e+100", 5e-324: "5e-324", 0: "0.0",
		9999999999999998: "9999999999999998.0", 0.30000000000000004: "0.30000000000000004", math.Inf(1): "inf", -2.5: "-2.5",
	} {
		if got := pyRepr(f); got != want {
			t.Errorf("pyRepr(%v) = %s, want %s", f, got, want)
		}
	}
}
