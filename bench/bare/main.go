// Command bare is the standard library's reverse proxy and nothing else: the
// rival that Lectern's own proxy, which is made of the same, is held against.
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	to := flag.String("to", "", "where requests go")
	idle := flag.Int("idle", http.DefaultMaxIdleConnsPerHost, "connections kept to there; the default is the library's")
	flag.Parse()
	target, err := url.Parse(*to)
	if err != nil || target.Host == "" {
		fmt.Fprintln(os.Stderr, "bare: -to is no address")
		os.Exit(2)
	}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConnsPerHost, tr.Proxy = *idle, nil
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }, Transport: tr, ErrorLog: log.New(io.Discard, "", 0)}
	fmt.Fprintln(os.Stderr, "bare:", http.ListenAndServe(*listen, proxy))
	os.Exit(1)
}
