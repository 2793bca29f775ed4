package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"syscall"
)

var errNotPublic = errors.New("not a public address")

// never are networks that look public and are not: those for special use of
// RFC 6890, what wraps an IPv4 address up in an IPv6 one, and a cloud's own.
var never = func() (list []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32",
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "fec0::/10", "3fff::/20", "5f00::/16",
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}()

// public reports whether an address is somebody's on the internet, and not one
// of this machine's networks, link or cloud.
func public(a netip.Addr) bool {
	a = a.Unmap()
	return a.IsGlobalUnicast() && !a.IsPrivate() && a.Zone() == "" &&
		!slices.ContainsFunc(never, func(n netip.Prefix) bool { return n.Contains(a) })
}

// ours reports whether this machine has the address: what listens at all of its
// addresses listens at that one too.
func ours(a netip.Addr) bool {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(list, func(l net.Addr) bool {
		n, err := netip.ParsePrefix(l.String())
		return err != nil || n.Addr().Unmap() == a.Unmap()
	})
}

// check refuses what is about to be dialled, whatever a name was said to mean.
func (p *Proxy) check(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %s", errNotPublic, address)
	}
	if p.exempt.IsValid() && at == p.exempt {
		return nil
	}
	if !public(at.Addr()) || ours(at.Addr()) || slices.ContainsFunc(p.Deny, func(n netip.Prefix) bool { return n.Contains(at.Addr().Unmap()) }) {
		return fmt.Errorf("%w: %s", errNotPublic, at)
	}
	return nil
}

// dial looks the name up and connects to the first of its public addresses that
// answers, the older kind first, since not every machine has the newer.
func (p *Proxy) dial(ctx context.Context, host string, port int) (net.Conn, error) {
	ctx, done := context.WithTimeout(ctx, 2*patience)
	defer done()
	if _, err := netip.ParseAddr(host); err == nil {
		return nil, fmt.Errorf("%w: %s is an address and no name", errNotPublic, host)
	}
	list, err := p.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(list, func(a, b netip.Addr) int { return a.Unmap().BitLen() - b.Unmap().BitLen() })
	err = fmt.Errorf("%s has no address", host)
	d := net.Dialer{Timeout: patience / 2, Control: p.check}
	for _, a := range list {
		var conn net.Conn
		if conn, err = d.DialContext(ctx, "tcp", netip.AddrPortFrom(a.Unmap(), uint16(port)).String()); err == nil {
			return conn, nil
		}
		if ctx.Err() != nil {
			break
		}
	}
	return nil, err
}

// dialContext is dial for plain HTTP.
func (p *Proxy) dialContext(ctx context.Context, _, address string) (net.Conn, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	return p.dial(ctx, host, int(port))
}
