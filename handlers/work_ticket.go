package handlers

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"sync"
	"time"

	"lectern/course"
	"lectern/store"
)

// ticketLife bounds the way from the site to the workspace's host.
const ticketLife = 60 * time.Second

// enterPath is where a workspace's host takes a ticket.
const enterPath = "/.lectern/enter"

// tickets hands people over from the site to a workspace's host. A ticket is
// signed and writes nothing, so a page may make one; it is used up in the
// database when the other host redeems it.
type tickets struct {
	store *store.Store
	now   func() time.Time

	mu  sync.Mutex
	key []byte
}

// ticket is the part that both hosts read. The workspace and the way on are in
// the address already and only signed.
type ticket struct {
	Number  []byte        `json:"n"`
	User    course.UserID `json:"u"`
	Session int64         `json:"s"`
	Until   int64         `json:"t"` // Unix seconds
}

// issue is the query of enterPath that lets a person's session into a
// workspace, and on to the path next.
func (t *tickets) issue(ctx context.Context, workspace string, user course.UserID, session int64, next string) (url.Values, error) {
	key, err := t.signingKey(ctx)
	if err != nil {
		return nil, err
	}
	number := make([]byte, 16)
	rand.Read(number)
	body, err := json.Marshal(ticket{Number: number, User: user, Session: session, Until: t.now().Add(ticketLife).Unix()})
	if err != nil {
		return nil, err
	}
	enc := base64.RawURLEncoding
	return url.Values{
		"ticket": {enc.EncodeToString(body) + "." + enc.EncodeToString(sign(key, workspace, next, body))},
		"next":   {next},
	}, nil
}

var errTicket = course.Problemf(course.Forbidden, "This link was used before or has run out.")

// read is the ticket in a query of enterPath, if it is ours, for this workspace
// and still good; whether it was used only the database knows.
func (t *tickets) read(ctx context.Context, workspace string, q url.Values) (store.Ticket, error) {
	key, err := t.signingKey(ctx)
	if err != nil {
		return store.Ticket{}, err
	}
	body, mac, ok := splitTicket(q.Get("ticket"))
	if !ok || !hmac.Equal(mac, sign(key, workspace, q.Get("next"), body)) {
		return store.Ticket{}, errTicket
	}
	var tk ticket
	if err := json.Unmarshal(body, &tk); err != nil || t.now().Unix() > tk.Until {
		return store.Ticket{}, errTicket
	}
	return store.Ticket{Number: tk.Number, Workspace: workspace, User: tk.User, Session: tk.Session}, nil
}

func splitTicket(s string) (body, mac []byte, ok bool) {
	for i := range s {
		if s[i] == '.' {
			body, err := base64.RawURLEncoding.DecodeString(s[:i])
			mac, err2 := base64.RawURLEncoding.DecodeString(s[i+1:])
			return body, mac, err == nil && err2 == nil
		}
	}
	return nil, nil, false
}

// sign covers the workspace and the way on, each closed by a zero byte that
// neither can hold.
func sign(key []byte, workspace, next string, body []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("lectern workspace ticket\x00" + workspace + "\x00" + next + "\x00"))
	h.Write(body)
	return h.Sum(nil)
}

// signingKey is the site's, shared by all its copies through the database.
func (t *tickets) signingKey(ctx context.Context) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.key != nil {
		return t.key, nil
	}
	key, err := t.store.SettingOnce(ctx, "ticket_key", func() []byte {
		b := make([]byte, 32)
		rand.Read(b)
		return b
	})
	if err == nil {
		t.key = key
	}
	return key, err
}
