package mqtt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// pattern is a topic with placeholders, such as plant/{line}/{device}/state, each of
// which stands for a level or a part of one.
type pattern struct {
	text   string
	levels []level
	names  []string // of the placeholders, in order, each once
}

// level is a level of a pattern. Without a placeholder all of it is in before.
type level struct{ before, name, after string }

func parsePattern(text string) (*pattern, error) {
	p := &pattern{text: text}
	for part := range strings.SplitSeq(text, "/") {
		before, rest, found := strings.Cut(part, "{")
		l := level{before: before}
		if found {
			var closed bool
			if l.name, l.after, closed = strings.Cut(rest, "}"); !closed || !isWord(l.name) || strings.ContainsAny(l.after, "{}") {
				return nil, fmt.Errorf("%q: a level has at most one placeholder, a word of letters and digits in braces: {device}", part)
			}
			if !slices.Contains(p.names, l.name) {
				p.names = append(p.names, l.name)
			}
		}
		p.levels = append(p.levels, l)
	}
	if len(p.names) == 0 {
		return nil, errors.New("a template needs a placeholder in its topic: plant/{device}/state")
	}
	return p, checkTopic(text)
}

func isWord(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

// filter returns what is subscribed to hear all topics of the pattern.
func (p *pattern) filter() string {
	list := make([]string, len(p.levels))
	for i, l := range p.levels {
		if list[i] = l.before; l.name != "" {
			list[i] = "+"
		}
	}
	return strings.Join(list, "/")
}

// match returns what the placeholders stand for in a topic; nil when it is none of the
// pattern.
func (p *pattern) match(topic string) map[string]string {
	if strings.HasPrefix(topic, "$") && p.levels[0].name != "" { // MQTT 3.1.1, 4.7.2
		return nil
	}
	if strings.Count(topic, "/") != len(p.levels)-1 {
		return nil
	}
	var out map[string]string
	i := 0
	for part := range strings.SplitSeq(topic, "/") {
		l := &p.levels[i]
		i++
		if l.name == "" {
			if part != l.before {
				return nil
			}
			continue
		}
		if len(part) <= len(l.before)+len(l.after) || !strings.HasPrefix(part, l.before) || !strings.HasSuffix(part, l.after) {
			return nil
		}
		value := part[len(l.before) : len(part)-len(l.after)]
		if old, ok := out[l.name]; ok && old != value {
			return nil
		}
		if out == nil {
			out = make(map[string]string, len(p.names))
		}
		out[l.name] = value
	}
	return out
}

// substitute puts values in the place of placeholders.
func substitute(text string, values map[string]string) string {
	if !strings.Contains(text, "{") {
		return text
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		out.WriteString(before)
		if !found {
			return out.String()
		}
		name, after, closed := strings.Cut(rest, "}")
		if value, ok := values[name]; closed && ok {
			out.WriteString(value)
			text = after
			continue
		}
		out.WriteByte('{')
		text = rest
	}
}

// covers tells whether a filter includes a topic.
func covers(filter, topic string) bool {
	for {
		f, filterRest, more := strings.Cut(filter, "/")
		t, topicRest, longer := strings.Cut(topic, "/")
		if f != "+" && f != t || more != longer {
			return false
		}
		if !more {
			return true
		}
		filter, topic = filterRest, topicRest
	}
}
