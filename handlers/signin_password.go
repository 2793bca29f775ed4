package handlers

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"

	"lectern/course"
)

// OWASP's smaller argon2id: 19 MiB, two passes, one lane; about 40 ms.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// hasher computes few password hashes at a time, so that a flood of sign-ins
// costs a bounded amount of memory and of every other page's patience.
type hasher struct {
	slots chan struct{}
	dummy string // what an unknown login's password is compared with
}

func newHasher() *hasher {
	h := &hasher{slots: make(chan struct{}, max(1, runtime.NumCPU()))}
	h.dummy = encode(make([]byte, argonSalt), make([]byte, argonKey))
	return h
}

// turn waits for a slot, for as long as somebody at a sign-in page may.
func (h *hasher) turn(ctx context.Context) (func(), error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	select {
	case h.slots <- struct{}{}:
		return func() { <-h.slots }, nil
	case <-ctx.Done():
		return nil, course.Problemf(course.Busy, "Many people are signing in just now. Try again in a few seconds.")
	}
}

// hash encodes a password as $argon2id$v=19$m=…,t=…,p=…$salt$key.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	salt := make([]byte, argonSalt)
	rand.Read(salt)
	return encode(salt, argon2.IDKey([]byte(password), salt, argonTime, argonMemory, argonLanes, argonKey)), nil
}

// matches reports whether the password is the encoded one's. An empty encoded
// one matches nothing, and takes as long to say so.
func (h *hasher) matches(ctx context.Context, password, encoded string) (bool, error) {
	nobody := encoded == ""
	if nobody {
		encoded = h.dummy
	}
	salt, want, p, err := decode(encoded)
	if err != nil {
		return false, err
	}
	done, err := h.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	got := argon2.IDKey([]byte(password), salt, p.time, p.memory, p.lanes, uint32(len(want)))
	return subtle.ConstantTimeCompare(got, want) == 1 && !nobody, nil
}

type argonParams struct {
	memory, time uint32
	lanes        uint8
}

func encode(salt, key []byte) string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		b.EncodeToString(salt), b.EncodeToString(key))
}

func decode(s string) (salt, key []byte, p argonParams, err error) {
	parts := strings.Split(s, "$")
	var version int
	if len(parts) == 6 && parts[1] == "argon2id" {
		if _, err = fmt.Sscanf(parts[2], "v=%d", &version); err == nil {
			_, err = fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes)
		}
		if err == nil {
			salt, err = base64.RawStdEncoding.DecodeString(parts[4])
		}
		if err == nil {
			key, err = base64.RawStdEncoding.DecodeString(parts[5])
		}
	}
	if err != nil || version != argon2.Version || len(key) < 16 || p.time < 1 || p.lanes < 1 {
		return nil, nil, p, fmt.Errorf("handlers: a stored password is not argon2id: %w", err)
	}
	return salt, key, p, nil
}

// checkPassword says what is wrong with a new password; "" is nothing. Length
// is what counts: no rules about digits and signs.
func checkPassword(password, again, login string) error {
	var ps course.Problems
	switch n := utf8.RuneCountInString(password); {
	case n < 10:
		ps = append(ps, course.Fieldf("password", "Use at least 10 characters; several words make a good password."))
	case len(password) > 200:
		ps = append(ps, course.Fieldf("password", "Use at most 200 characters."))
	case strings.Contains(strings.ToLower(password), strings.ToLower(login)) && n < len(login)+8:
		ps = append(ps, course.Fieldf("password", "That is too close to your login."))
	case allSame(password):
		ps = append(ps, course.Fieldf("password", "That is the same character over and over."))
	}
	if password != again {
		ps = append(ps, course.Fieldf("again", "The two are not the same."))
	}
	return ps.OrNil()
}

func allSame(s string) bool {
	return s != "" && strings.Count(s, s[:1]) == len(s)
}
