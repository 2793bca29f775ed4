package egress

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
)

// Address is this machine's address on a network interface; an error while
// there is no such interface.
func Address(name string) (netip.Addr, error) {
	i, err := net.InterfaceByName(name)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("egress: %s: %w", name, err)
	}
	list, _ := i.Addrs()
	for _, a := range list {
		if n, err := netip.ParsePrefix(a.String()); err == nil && n.Addr().Is4() {
			return n.Addr(), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("egress: %s has no address", name)
}

// Listen listens at the address of a network interface alone.
func Listen(name string, port int) (net.Listener, error) {
	at, err := Address(name)
	if err != nil {
		return nil, err
	}
	return net.Listen("tcp4", net.JoinHostPort(at.String(), strconv.Itoa(port)))
}
