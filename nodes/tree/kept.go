package tree

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// Messages that people leave on nodes are kept on a shelf of the tree's own, whose
// name cannot be that of a node, by id of the node.
const keptShelf = "\x00messages"

// How many messages people may leave on a node, and how long one may be, in
// characters.
const (
	maxKept     = 16
	maxKeptText = 1000
)

// keptPrefix begins the event ids of messages that people left.
const keptPrefix = "Logged "

// keptMessage is a message as it is kept.
type keptMessage struct {
	Time     time.Time      `json:"time"`
	Severity nodes.Severity `json:"severity,omitempty"`
	Event    string         `json:"event"`
	Text     string         `json:"text"`
}

// clearMessages takes away what people left on a node and what became of writes. The
// rest says what holds until it is taken back: it is acknowledged.
func (t *Tree) clearMessages(id string) error {
	t.keeping.Lock()
	defer t.keeping.Unlock()
	t.mu.Lock()
	n := t.nodes[id]
	if n == nil {
		t.mu.Unlock()
		return t.failed(nodes.NotFound, "clear messages", id, "no such node")
	}
	n.messages = slices.Clone(n.messages)
	changed := false
	for i := range n.messages {
		m := &n.messages[i]
		changed = changed || !m.signed
		m.signed = true
	}
	before := len(n.messages)
	n.messages = slices.DeleteFunc(n.messages, func(m message) bool {
		_, own := keptNumber(&m)
		return own || (m.EventID == controlEvent || m.EventID == writtenEvent) && m.from == nil
	})
	if changed = changed || len(n.messages) < before; changed {
		t.restate(n)
	}
	t.mu.Unlock()
	if changed {
		t.keep(id, nil)
		t.publish()
	}
	return nil
}

// logMessage leaves a message on a node.
func (t *Tree) logMessage(id string, severity nodes.Severity, text string) error {
	text = strings.TrimSpace(text)
	if text == "" {
		return t.wrong("log a message", id, map[string]string{paramText: "is empty; write what there is to say"})
	}
	t.keeping.Lock()
	defer t.keeping.Unlock()
	t.mu.Lock()
	n := t.nodes[id]
	if n == nil {
		t.mu.Unlock()
		return t.failed(nodes.NotFound, "log a message", id, "no such node")
	}
	var have []keptMessage
	next := 1
	for _, m := range n.messages {
		if number, ok := keptNumber(&m); ok {
			next = max(next, number+1)
			have = append(have, keptMessage{m.Time, m.Severity, m.EventID, m.Text})
		}
	}
	if len(have) >= maxKept {
		oldest := have[0].Event
		have = have[1:]
		n.messages = slices.DeleteFunc(slices.Clone(n.messages), func(m message) bool { return m.EventID == oldest && m.from == nil })
	}
	m := keptMessage{now().UTC(), severity, keptPrefix + strconv.Itoa(next), text}
	t.setMessage(n, m.message())
	have = append(have, m)
	t.mu.Unlock()
	t.keep(id, have)
	t.publish()
	return nil
}

func (m *keptMessage) message() message {
	return message{Message: nodes.Message{Time: m.Time, Severity: m.Severity, EventID: m.Event, Text: m.Text}}
}

// keptNumber is the number of a message that a person left.
func keptNumber(m *message) (int, bool) {
	rest, ok := strings.CutPrefix(m.EventID, keptPrefix)
	if !ok || m.from != nil {
		return 0, false
	}
	number, err := strconv.Atoi(rest)
	return number, err == nil
}

// hasKept tells whether people left messages on a node.
func (n *node) hasKept() bool {
	return slices.ContainsFunc(n.messages, func(m message) bool { _, ok := keptNumber(&m); return ok })
}

// keep puts the messages that people left on a node on the shelf.
func (t *Tree) keep(id string, list []keptMessage) {
	shelf := t.cfg.Store.Shelf(keptShelf)
	if len(list) == 0 {
		shelf.Delete(id)
		return
	}
	record, err := json.Marshal(list)
	if err != nil { // it has nothing that cannot be written
		t.log.Error("messages not kept", "node", id, "error", err)
		return
	}
	shelf.Put(id, record)
}

// loadKept puts the messages that people left back on their nodes. Records that
// cannot be read are left out, with a line in the log.
func (t *Tree) loadKept() {
	t.cfg.Store.Shelf(keptShelf).Range(func(id string, record []byte) bool {
		n := t.nodes[id]
		if n == nil {
			return true // of a node that is left out; it may come back
		}
		list, err := readKept(record)
		if err != nil {
			t.log.Warn("kept messages left out", "node", id, "error", err)
			return true
		}
		for i := range list {
			n.messages = append(n.messages, list[i].message())
			n.state = max(n.state, list[i].Severity.State())
		}
		return true
	})
}

// readKept reads the messages of a node.
func readKept(record []byte) (list []keptMessage, err error) {
	if err := json.Unmarshal(record, &list); err != nil {
		return nil, err
	}
	for i := range list {
		m := list[i].message()
		if _, ok := keptNumber(&m); !ok || list[i].Severity > nodes.SeverityError {
			return nil, fmt.Errorf("message %d is none that a person left", i+1)
		}
	}
	return list[max(len(list)-maxKept, 0):], nil
}

// moveKept lets kept messages go with their nodes: from is by the former id, the new
// one empty when the node is gone.
func (t *Tree) moveKept(from map[string]string) {
	shelf := t.cfg.Store.Shelf(keptShelf)
	records := make(map[string][]byte)
	for old, id := range from {
		if record, ok := shelf.Get(old); ok {
			records[id] = record
			shelf.Delete(old)
		}
	}
	for id, record := range records {
		if id != "" {
			shelf.Put(id, record)
		}
	}
}
