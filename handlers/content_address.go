package handlers

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"strings"

	"lectern/course"
)

// address is where a browser finds the file, for contentLife.
func (c *content) address(ctx context.Context, ref contentRef) (string, error) {
	key, err := c.signingKey(ctx)
	if err != nil {
		return "", err
	}
	ref.Until = c.now().Add(contentLife).Unix()
	body, err := json.Marshal(ref)
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	return c.origins.Origin(contentLabel(ref)) + "/" + enc.EncodeToString(body) + "." + enc.EncodeToString(contentMAC(key, body)) + "/", nil
}

// contentLabel gives each student's files in each course an origin of their own.
func contentLabel(ref contentRef) string {
	sum := sha256.Sum256([]byte(ref.Course + "/" + ref.Login))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:10]))
}

func contentMAC(key, body []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte("content\x00"))
	m.Write(body)
	return m.Sum(nil)[:16]
}

func (c *content) signingKey(ctx context.Context) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.key != nil {
		return c.key, nil
	}
	key, err := c.store.SettingOnce(ctx, "content-key", func() []byte {
		b := make([]byte, 32)
		rand.Read(b)
		return b
	})
	if err == nil {
		c.key = key
	}
	return key, err
}

// read takes the file an address names, if it was signed for this host and is
// still good.
func (c *content) read(ctx context.Context, label, token string) (contentRef, error) {
	var ref contentRef
	stale := course.Problemf(course.NotFound, "This address has expired. Go back to Lectern and open the file again.")
	key, err := c.signingKey(ctx)
	if err != nil {
		return ref, err
	}
	b, m, ok := strings.Cut(token, ".")
	body, err1 := base64.RawURLEncoding.DecodeString(b)
	mac, err2 := base64.RawURLEncoding.DecodeString(m)
	if !ok || err1 != nil || err2 != nil || !hmac.Equal(mac, contentMAC(key, body)) {
		return ref, stale
	}
	if err := json.Unmarshal(body, &ref); err != nil || contentLabel(ref) != label || c.now().Unix() > ref.Until {
		return ref, stale
	}
	return ref, nil
}
