package render

import (
	"container/list"
	"strings"
	"sync"
)

// memoKey is the whole input, not a hash of it: a student cannot make a collision that would put words of theirs
// into another student's page.
type memoKey struct {
	kind byte   // what was done to the text: one of the kind constants
	lang string // programming language of code
	text string
}

const (
	kindCode     = 'c'
	kindMarkdown = 'm'
	kindBeside   = 'f' // Markdown that could have had pictures from files, but has none
	kindInline   = '$' // a formula in a line
	kindDisplay  = 'D' // a formula on its own
	kindTable    = 't'
)

// memo remembers finished HTML up to a number of bytes and forgets what was used longest ago. Most cells of a class's
// submissions are the released text, so nearly every look-up succeeds.
type memo struct {
	mu    sync.Mutex
	max   int // bytes of keys and values
	size  int
	items map[memoKey]*list.Element
	order list.List // most recently used first
}

type memoItem struct {
	key  memoKey
	html []byte
}

func newMemo(max int) *memo {
	return &memo{max: max, items: map[memoKey]*list.Element{}}
}

// get returns remembered HTML, which the caller must not change.
func (m *memo) get(key memoKey) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	e, ok := m.items[key]
	if !ok {
		return nil, false
	}
	m.order.MoveToFront(e)
	return e.Value.(*memoItem).html, true
}

// put remembers html, unless it would push out a large part of everything else.
func (m *memo) put(key memoKey, html []byte) {
	cost := itemCost(key, html)
	if cost > m.max/16 {
		return
	}
	// The source of a cell is often a slice of a whole file, which the key must not keep in memory.
	key.text = strings.Clone(key.text)
	key.lang = strings.Clone(key.lang)
	html = append(make([]byte, 0, len(html)), html...)
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.items[key]; ok {
		return
	}
	m.items[key] = m.order.PushFront(&memoItem{key, html})
	m.size += cost
	for m.size > m.max {
		e := m.order.Back()
		old := m.order.Remove(e).(*memoItem)
		delete(m.items, old.key)
		m.size -= itemCost(old.key, old.html)
	}
}

// itemCost counts 200 bytes for the map, list and headers of an item.
func itemCost(key memoKey, html []byte) int {
	return len(key.text) + len(key.lang) + len(html) + 200
}
