package main

import (
	"net/http"
	"strconv"

	"github.com/coder/websocket"
)

// What proxies are measured with: GET /stub/bytes?n= answers with so many bytes,
// /stub/echo is a websocket that sends back every message.

const mostBytes = 1 << 20

func bench(mux *http.ServeMux) {
	page := make([]byte, mostBytes)
	mux.HandleFunc("GET /stub/bytes", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		n = max(0, min(n, mostBytes))
		w.Header().Set("Content-Type", "application/octet-stream")
		w.Header().Set("Content-Length", strconv.Itoa(n))
		_, _ = w.Write(page[:n])
	})
	mux.HandleFunc("GET /stub/echo", func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		defer conn.CloseNow()
		for {
			kind, msg, err := conn.Read(r.Context())
			if err != nil || conn.Write(r.Context(), kind, msg) != nil {
				return
			}
		}
	})
}
