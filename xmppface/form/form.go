package form

import (
	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/wire"
)

// The namespaces of data forms.
const (
	NS         = "jabber:x:data"                             // XEP-0004
	NSValidate = "http://jabber.org/protocol/xdata-validate" // XEP-0122
	NSLayout   = "http://jabber.org/protocol/xdata-layout"   // XEP-0141
	NSDynamic  = "urn:xmpp:xdata:dynamic"                    // XEP-0336
	NSColor    = "urn:xmpp:xdata:color"                      // XEP-0331
)

const (
	general = "General" // page of parameters that name none
	open    = "<x xmlns='" + NS + "' xmlns:xdv='" + NSValidate + "' xmlns:xdl='" + NSLayout + "' xmlns:xdd='" + NSDynamic + "' xmlns:xdc='" + NSColor + "'"
)

// MaxFields is how many fields a form may have that is read.
const MaxFields = 2000

// Texts are the values of fields as they stand in a form, by the name of the
// field; several values are the lines of a text.
type Texts map[string]string

// Find returns the form among the children of an element, or nil.
func Find(e *wire.Element) *wire.Element {
	for _, c := range e.Children {
		if c.Name.Local == "x" && (c.Name.Space == NS || c.Name.Space == e.Name.Space) {
			return c
		}
	}
	return nil
}

// How a parameter is spelled as a field.
type spelling struct {
	field    string // type of the field
	datatype string // of XEP-0122; empty: no validate element
}

var spellings = map[nodes.Kind]spelling{
	nodes.KindBool:     {"boolean", "xs:boolean"},
	nodes.KindInt32:    {"text-single", "xs:int"},
	nodes.KindInt64:    {"text-single", "xs:long"},
	nodes.KindDouble:   {"text-single", "xs:double"},
	nodes.KindString:   {"text-single", "xs:string"},
	nodes.KindEnum:     {"list-single", ""},
	nodes.KindDate:     {"text-single", "xs:date"},
	nodes.KindDateTime: {"text-single", "xs:dateTime"},
	nodes.KindTime:     {"text-single", "xs:time"},
	nodes.KindDuration: {"text-single", "xs:duration"},
	nodes.KindColor:    {"text-single", "xdc:color"},
}

func spell(p *nodes.Param) spelling {
	s, ok := spellings[p.Kind]
	if !ok {
		s = spellings[nodes.KindString]
	}
	switch {
	case p.Secret:
		s.field = "text-private"
	case p.Multi && s.field == "text-single":
		s.field = "text-multi"
	}
	return s
}

// kinds are the data types that are understood, without their prefix.
var kinds = map[string]nodes.Kind{
	"boolean": nodes.KindBool, "byte": nodes.KindInt32, "short": nodes.KindInt32, "int": nodes.KindInt32,
	"unsignedByte": nodes.KindInt32, "unsignedShort": nodes.KindInt32, "unsignedInt": nodes.KindInt64,
	"long": nodes.KindInt64, "integer": nodes.KindInt64,
	"decimal": nodes.KindDouble, "double": nodes.KindDouble, "float": nodes.KindDouble,
	"date": nodes.KindDate, "dateTime": nodes.KindDateTime, "time": nodes.KindTime,
	"duration": nodes.KindDuration, "color": nodes.KindColor, "colorAlpha": nodes.KindColor,
}
