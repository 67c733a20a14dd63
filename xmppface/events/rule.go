package events

import (
	"math"
	"strings"

	"github.com/fieldhub/hub/nodes"
)

// rule is by how much a field has to differ from the last value sent. Zeros are
// conditions that are not set; without any of them each change counts.
type rule struct {
	by, up, dn float64
	v          float64 // what the client thinks the value is
	known      bool    // whether it does
}

// past is the last value sent of a field.
type past struct {
	text   string
	number float64
	isText bool
	qos    nodes.QoS
	any    bool // the quality is not known
}

func remember(f *nodes.Field) past {
	p := past{qos: f.QoS}
	p.number, p.isText = number(f.Value)
	if p.isText {
		p.text = f.Value.String()
	}
	return p
}

// slack is how far a difference may fall short by the rounding of decimals.
const slack = 1 + 1e-9

// differs tells whether a field differs enough from the last value sent.
func (u *rule) differs(old *past, f *nodes.Field) bool {
	now := remember(f)
	if !old.any && old.qos != now.qos || old.isText != now.isText {
		return true
	}
	if now.isText {
		c := float64(strings.Compare(now.text, old.text))
		return u.by > 0 && c != 0 || u.up > 0 && c > 0 || u.dn > 0 && c < 0
	}
	diff := (now.number - old.number) * slack
	return u.by > 0 && math.Abs(diff) >= u.by || u.up > 0 && diff >= u.up || u.dn > 0 && -diff >= u.dn
}

// secondsOfMonth is what a month of a duration counts.
const secondsOfMonth = float64(month / 1e9)

// number returns a value as a number: 1 or 0, or seconds; or that it is a text.
func number(v nodes.Value) (f float64, isText bool) {
	switch v.Kind() {
	case nodes.KindBool:
		if v.Bool() {
			return 1, false
		}
		return 0, false
	case nodes.KindInt32, nodes.KindInt64, nodes.KindDouble:
		return v.Double(), false
	case nodes.KindDate, nodes.KindDateTime:
		t := v.Time()
		return float64(t.Unix()) + float64(t.Nanosecond())/1e9, false
	case nodes.KindTime, nodes.KindDuration:
		return float64(v.Months())*secondsOfMonth + v.Span().Seconds(), false
	}
	return 0, true
}
