package payload

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fieldhub/hub/nodes"
)

// Encode returns what a payload holds for a value: as a text, and as JSON, in which
// numbers and truth values have no quotes. It is the inverse of [Mapping.Value].
func (m *Mapping) Encode(v nodes.Value) (text, asJSON string, err error) {
	switch v.Kind() {
	case nodes.KindEnum:
		text = v.Text()
		for _, o := range m.Options {
			if o.Label == text {
				text = o.Raw
				break
			}
		}
		return text, literal(text), nil
	case nodes.KindBool:
		switch {
		case v.Bool() && m.On != "":
			return m.On, literal(m.On), nil
		case !v.Bool() && m.Off != "":
			return m.Off, literal(m.Off), nil
		}
		text = strconv.FormatBool(v.Bool())
		return text, text, nil
	case nodes.KindString:
		return v.Text(), quote(v.Text()), nil
	case nodes.KindDateTime:
		text = v.Time().Format(time.RFC3339Nano)
		return text, quote(text), nil
	case nodes.KindInt32, nodes.KindInt64, nodes.KindDouble:
		if !v.IsNumber() {
			break
		}
		if m.plain() && v.Kind() != nodes.KindDouble {
			text = strconv.FormatInt(v.Int(), 10)
			return text, text, nil
		}
		text, err = m.unscale(v)
		return text, text, err
	}
	return "", "", fmt.Errorf("%v cannot be sent", v)
}

// unscale returns the number that becomes a value by scaling, with no more digits than
// a double surely holds.
func (m *Mapping) unscale(v nodes.Value) (string, error) {
	raw := v.Double()
	if !m.plain() {
		raw = (raw - m.Offset) * m.Divisor / m.Scale
		raw, _ = strconv.ParseFloat(strconv.FormatFloat(raw, 'g', 15, 64), 64)
	} else if m.Decimals >= 0 {
		return strconv.FormatFloat(raw, 'f', m.Decimals, 64), nil
	}
	if math.IsInf(raw, 0) || math.IsNaN(raw) {
		return "", errors.New("the number cannot be scaled")
	}
	if a := math.Abs(raw); a != 0 && (a < 1e-6 || a >= 1e21) {
		return strconv.FormatFloat(raw, 'g', -1, 64), nil
	}
	return strconv.FormatFloat(raw, 'f', -1, 64), nil
}

// literal is a text as JSON, where numbers and truth values are as they are.
func literal(s string) string {
	if s == "true" || s == "false" || isNumber([]byte(s)) {
		return s
	}
	return quote(s)
}

func quote(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(s) != nil { // cannot be
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// Template returns the template of a payload in which a value stands at a path: the
// value alone, or in JSON an object of the names on the way. It is false where a
// template has to be written.
func Template(f Format, path string) (string, bool) {
	switch {
	case f == JSON && path == "":
		return "{json}", true
	case f == JSON:
		if strings.ContainsAny(path, `*?|#@!{}[]()\`) {
			return "", false
		}
		open, shut := "", ""
		for key := range strings.SplitSeq(path, ".") {
			if digits([]byte(key)) == len(key) {
				return "", false
			}
			open, shut = open+"{"+quote(key)+":", shut+"}"
		}
		return open + "{json}" + shut, true
	case f == Plain || f == Words:
		return "{value}", true
	case f == KeyValue:
		return path + "={value}", true
	}
	return "", false
}

// Fill fills in a template: {value} and {json} as Encode returns them, {id} and the
// time, {time} as text and {unix} in seconds. Other braces stay as they are.
func Fill(template, text, asJSON, id string, at time.Time) string {
	return strings.NewReplacer("{value}", text, "{json}", asJSON, "{id}", id,
		"{time}", at.UTC().Format(time.RFC3339), "{unix}", strconv.FormatInt(at.Unix(), 10)).Replace(template)
}
