package enginetest

import (
	"fmt"
	"math/rand/v2"
	"net"
	"testing"
)

// Port is a loopback port that nobody listens on. It is none of those that a system
// gives to outgoing connections (32768 and up on Linux), or one of these could
// take it before the program that it is for listens there.
func Port(t testing.TB) int {
	t.Helper()
	for range 100 {
		port := 12000 + rand.IntN(20000)
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			must(t, l.Close())
			return port
		}
	}
	t.Fatal("no port is free")
	return 0
}
