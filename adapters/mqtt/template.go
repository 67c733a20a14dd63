package mqtt

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fieldhub/hub/nodes"
)

// mostNames is how many names that are no devices are kept in mind for each template;
// of further ones the messages are counted.
const mostNames = 1000

// template is a template node. All is guarded by the lock of its broker.
type template struct {
	node     *nodes.Node
	max      int
	auto     bool
	ids      bool
	topic    *pattern
	patterns []*pattern             // the topics of its fields, which tell of names, too
	fields   map[string]*nodes.Node // by id
	order    map[string]int         // in which its fields came, by id
	members  map[string]*member     // its devices, by id

	met    map[string]*meeting // names that are no devices, by the topic
	beyond int                 // messages of names for which there was no room
	folded int                 // messages of names that look like ids
	told   string              // what is said on the node
}

// member is a device of a template.
type member struct {
	of     *template
	node   *nodes.Node
	values map[string]string
	fields map[string]*nodes.Node // by id
	asked  map[string]bool        // fields that are being created, by name
}

// meeting is a name that came up.
type meeting struct {
	topic  string // that of the device
	values map[string]string
	count  int
	asked  bool // its device is being created
	left   bool // a person removed its device
	looked bool // whether left is known
	refuse string
}

// expand takes note of templates, their fields and devices in a list of nodes that are
// put, and adds to the list what changes with them.
func (b *broker) expand(list []*nodes.Node) []*nodes.Node {
	if len(b.templates) == 0 && len(b.touched) == 0 && !slices.ContainsFunc(list, func(n *nodes.Node) bool { return n.Type == TypeTemplate }) {
		return list
	}
	var more []*nodes.Node
	for _, n := range list {
		switch n.Type {
		case TypeTemplate:
			t := b.templates[n.ID]
			if t == nil {
				t = &template{order: make(map[string]int), fields: make(map[string]*nodes.Node), members: make(map[string]*member), met: make(map[string]*meeting)}
				b.templates[n.ID] = t
			}
			t.node = n
			b.touched[n.ID] = true
		case TypeDevice:
			old := b.members[n.ID]
			if old != nil {
				for _, f := range old.fields {
					more = append(more, f)
				}
				delete(old.of.members, n.ID)
				delete(b.members, n.ID)
			}
			if t := b.templates[n.Parent]; t != nil {
				m := &member{of: t, node: n, values: readNames(n.Params.Text("Names")), fields: make(map[string]*nodes.Node), asked: make(map[string]bool)}
				if old != nil {
					m.fields = old.fields
					if old.of == t {
						m.asked = old.asked
					}
				}
				t.members[n.ID], b.members[n.ID] = m, m
				b.touched[n.Parent] = true
			}
		case TypeField:
			if f := b.fields[n.ID]; f != nil && f.dev.id != n.Parent {
				if m := b.members[f.dev.id]; m != nil {
					delete(m.fields, n.ID)
				}
			}
			for id, t := range b.templates { // there are few
				if _, ok := t.fields[n.ID]; ok && id != n.Parent {
					delete(t.fields, n.ID)
					b.touched[id] = true
				}
			}
			if t := b.templates[n.Parent]; t != nil {
				t.fields[n.ID] = n
				if t.order[n.ID] == 0 {
					t.order[n.ID] = len(t.order) + 1
				}
				b.touched[n.Parent] = true
			} else if m := b.members[n.Parent]; m != nil {
				m.fields[n.ID] = n
				delete(m.asked, strings.ToLower(n.Name))
			}
		}
	}
	list = append(slices.Clip(list), more...)
	for id := range b.touched {
		if t := b.templates[id]; t != nil {
			t.read()
			for _, m := range t.members {
				list = append(list, m.node)
				for _, f := range m.fields {
					list = append(list, f)
				}
			}
		}
	}
	clear(b.touched)
	return list
}

// read makes of the nodes of a template what follows from them.
func (t *template) read() {
	p := t.node.Params
	t.max, t.auto, t.ids = int(p["MaxDevices"].Int()), p.Bool("Automatic"), p.Bool("Ids")
	topic, err := parsePattern(p.Text("Topic"))
	if err != nil { // it was checked before
		return
	}
	if t.topic == nil || t.topic.text != topic.text {
		clear(t.met) // they were read off other topics
		t.beyond, t.folded = 0, 0
	}
	t.topic, t.patterns = topic, nil
	for _, f := range t.fields {
		text := absolute(f.Params.Text("Topic"), topic.text)
		if slices.ContainsFunc(t.patterns, func(p *pattern) bool { return p.text == text }) {
			continue
		}
		if x, err := parsePattern(text); err == nil && len(x.names) == len(topic.names) {
			t.patterns = append(t.patterns, x)
		}
	}
	if len(t.fields) == 0 {
		t.patterns = []*pattern{topic}
	}
	for _, m := range t.members {
		delete(t.met, substitute(topic.text, m.values))
	}
}

// field returns the field of a template with a name; nil when there is none.
func (t *template) field(name string) *nodes.Node {
	for _, f := range t.fields {
		if strings.EqualFold(f.Name, name) {
			return f
		}
	}
	return nil
}

// spec is a node as it is used: below a template as that says.
func (b *broker) spec(n *nodes.Node) *nodes.Spec {
	if len(b.members) == 0 {
		return &n.Spec
	}
	s := n.Spec
	if m := b.members[n.ID]; m != nil {
		own := s.Params
		s.Params = fill(m.of.node.Params, m.values)
		if len(m.values) == 0 {
			s.Params["Topic"] = own["Topic"]
		}
	} else if m := b.members[n.Parent]; m != nil {
		if f := m.of.field(n.Name); f != nil {
			s.Params = fill(f.Params, m.values)
		}
	}
	return &s
}

// meet takes note of a topic from which no field is read, which may be that of a device
// to be. It tells whether that is news.
func (b *broker) meet(topic string) (news bool) {
	for _, t := range b.templates {
		for _, p := range t.patterns {
			values := p.match(topic)
			if values == nil {
				continue
			}
			key := substitute(t.topic.text, values)
			if m := t.met[key]; m != nil {
				m.count++
				break
			}
			if _, known := b.routes[key]; known {
				break // a device that does not read this topic
			}
			odd := strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' })
			for _, v := range values {
				odd = odd || !t.ids && looksLikeID(v)
			}
			switch {
			case odd:
				t.folded++
				news = news || t.folded == 1
			case len(t.met) >= mostNames:
				t.beyond++
				news = news || t.beyond == 1
			default:
				t.met[key] = &meeting{topic: key, values: values, count: 1}
				news = true
			}
			break
		}
	}
	return news
}

// waiting are the names of a template that are no devices, in order.
func (t *template) waiting() []*meeting {
	var out []*meeting
	for _, key := range slices.Sorted(maps.Keys(t.met)) {
		if m := t.met[key]; !m.asked {
			out = append(out, m)
		}
	}
	return out
}

// room is how many devices may still be made.
func (t *template) room() int {
	n := t.max - len(t.members)
	for _, m := range t.met {
		if m.asked {
			n--
		}
	}
	return max(n, 0)
}

// text is what is to be said of a template on its node.
func (t *template) text() (string, nodes.Severity) {
	var names []string
	for _, m := range t.waiting() {
		if !m.left {
			names = append(names, m.topic)
		}
	}
	if len(names) == 0 {
		return "", 0
	}
	n, more := len(names), ""
	if n > 3 {
		names, more = names[:3], " …"
	}
	list := strings.Join(names, ", ") + more
	if t.room() == 0 {
		return fmt.Sprintf("%s has %d devices, as MaxDevices says, and %d more came up: %s. Raise MaxDevices, or remove devices that are not there any more.", t.node.Name, t.max, n, list), nodes.SeverityWarning
	}
	if t.auto {
		return "", 0
	}
	return fmt.Sprintf("%d devices of %s came up that are no nodes: %s. ListNames shows them, AdoptAll makes devices of them.", n, t.node.Name, list), nodes.SeverityInformation
}

// forget takes note that a node is removed. A device of a template that stays does not
// come back by itself.
func (b *broker) forget(id string) {
	for of, t := range b.templates {
		if _, ok := t.fields[id]; ok {
			delete(t.fields, id)
			b.touched[of] = true
		}
	}
	if f := b.fields[id]; f != nil {
		if m := b.members[f.dev.id]; m != nil {
			delete(m.fields, id)
		}
	}
	if m := b.members[id]; m != nil {
		delete(m.of.members, id)
		delete(b.members, id)
		b.host.Shelf().Put(keyLeft+m.of.node.ID+"\n"+substitute(m.of.topic.text, m.values), []byte{1})
	}
	if b.templates[id] != nil {
		delete(b.templates, id)
		var keys []string
		b.host.Shelf().Range(func(key string, _ []byte) bool {
			if strings.HasPrefix(key, keyLeft+id+"\n") {
				keys = append(keys, key)
			}
			return true
		})
		for _, key := range keys {
			b.host.Shelf().Delete(key)
		}
	}
}
