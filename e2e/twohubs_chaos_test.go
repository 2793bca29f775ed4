//go:build chaos

package e2e_test

import "testing"

// TestChaosTwoLecterns kills one of two Lecterns, and then the other.
func TestChaosTwoLecterns(t *testing.T) { twoLecterns(t, 20, 2) }
