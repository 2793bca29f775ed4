package main

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// firstFD is where whoever started us puts the sockets that it handed over, as
// systemd does.
const firstFD = 3

// listen takes over the socket that the service manager has opened, if it has:
// then connections wait in it while one Lectern ends and the next begins, and
// none is refused. Without one it opens address.
func listen(address string) (net.Listener, error) {
	pid, fds := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		_ = os.Unsetenv(name) // not for the programs we start
	}
	if fds == "" || pid != strconv.Itoa(os.Getpid()) {
		return net.Listen("tcp", address)
	}
	if fds != "1" {
		return nil, fmt.Errorf("%s sockets were handed over, want one", fds)
	}
	syscall.CloseOnExec(firstFD)
	f := os.NewFile(firstFD, "handed over")
	defer f.Close()
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("the socket that was handed over: %w", err)
	}
	return ln, nil
}
