//go:build chaos

package e2e_test

import "testing"

// TestChaosClassOf220 is the whole class, in some five minutes.
func TestChaosClassOf220(t *testing.T) {
	all := classOf(220, 1)
	if len(all) != 220 {
		t.Fatalf("the class has %d students", len(all))
	}
	fromRosterToFeedback(t, all)
}
