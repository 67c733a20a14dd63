package control

import (
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/nodes/param"
	"github.com/fieldhub/hub/xmppface/wire"
)

// kinds are the kinds of the parameter elements.
var kinds = map[string]nodes.Kind{"b": nodes.KindBool, "cl": nodes.KindColor, "d": nodes.KindDate, "dt": nodes.KindDateTime,
	"db": nodes.KindDouble, "dr": nodes.KindDuration, "e": nodes.KindEnum, "i": nodes.KindInt32, "l": nodes.KindInt64,
	"s": nodes.KindString, "t": nodes.KindTime}

// names are the elements of the kinds.
var names = func() map[nodes.Kind]string {
	m := make(map[nodes.Kind]string, len(kinds))
	for name, k := range kinds {
		m[k] = name
	}
	return m
}()

// wanted says what an element takes, for messages.
var wanted = map[nodes.Kind]string{nodes.KindBool: "true or false", nodes.KindColor: "a colour such as FF8000",
	nodes.KindDate: "a date such as 2026-12-31", nodes.KindDateTime: "a date and time such as 2026-12-31T23:59:59Z",
	nodes.KindDouble: "a number", nodes.KindDuration: "a duration such as PT1M30S", nodes.KindInt32: "a whole number of 32 bits",
	nodes.KindInt64: "a whole number of 64 bits", nodes.KindTime: "a time such as 23:59:59"}

// parseValue reads the value of an element of that name. Texts are taken as they
// are; a number is finite.
func parseValue(name, text, enum string) (nodes.Value, bool) {
	switch name {
	case "cl":
		v, err := param.Parse(nodes.Param{Kind: nodes.KindColor}, text)
		return v, err == nil && !v.IsZero()
	case "db":
		return wire.ParseValue("q", text, "", "")
	case "i":
		v, ok := wire.ParseValue(name, text, "", "")
		return v, ok && v.Kind() == nodes.KindInt32
	case "dr":
		months, d, ok := wire.ParseDuration(text)
		return nodes.Duration(months, d), ok
	}
	return wire.ParseValue(name, text, "", enum)
}

// appendParameter appends the element of a parameter.
func appendParameter(b []byte, p Parameter) ([]byte, error) {
	name := names[p.Value.Kind()]
	var text []byte
	switch p.Value.Kind() {
	case nodes.KindColor:
		text = append(text, p.Value.String()...) // with its opacity
	default:
		text = wire.AppendValue(nil, p.Value)
	}
	if name == "" || len(text) == 0 && p.Value.Kind() != nodes.KindString && p.Value.Kind() != nodes.KindEnum {
		return nil, nodes.Errorf(nodes.Invalid, "", nodes.Ref{}, p.Name+" has no value that can be sent")
	}
	b = wire.AppendAttr(append(append(b, '<'), name...), "n", p.Name)
	b = append(append(append(b, " v='"...), text...), '\'')
	if p.Value.Kind() == nodes.KindEnum {
		b = wire.AppendAttr(b, "t", p.Value.EnumType())
	}
	return append(b, '/', '>'), nil
}
