package nodes

import "time"

// Param describes one editable parameter of a node type or command, once: the
// same description validates a configuration file, renders the data form and
// checks what comes back (see package param).
type Param struct {
	ID          string // stable, in the style of the published clients: Host, UnitId
	Page        string // page of the form, e.g. "Connection"; empty: "General"
	Section     string // section on the page; may be empty
	Label       string // what a person reads
	Description string // what it means, its unit, its range
	Kind        Kind   // KindString, KindBool, KindInt32, KindInt64, KindDouble, KindDuration, KindEnum, …
	Multi       bool   // several lines of text
	Default     Value  // when absent; zero: none
	Required    bool   // must be present, or have a default
	Min, Max    Value  // inclusive bounds of numbers and durations; zero: none
	Pattern     string // regular expression that a whole text must match; empty: any
	Options     []Option
	Secret      bool // never leaves the hub again
	ReadOnly    bool // shown, not changed
}

// Option is one choice of an enumerated parameter.
type Option struct {
	Value string
	Label string // empty: the value
}

// Params are the values of parameters, by id. Absent ones have their default,
// which package param fills in. Treat a map that was handed over as read-only.
type Params map[string]Value

// Text returns a text or enum parameter, or "".
func (p Params) Text(id string) string { return p[id].Text() }

// Int returns an integer parameter, or 0.
func (p Params) Int(id string) int { return int(p[id].Int()) }

// Double returns a numeric parameter, or 0.
func (p Params) Double(id string) float64 { return p[id].Double() }

// Bool returns a boolean parameter, or false.
func (p Params) Bool(id string) bool { return p[id].Bool() }

// Span returns a duration parameter, or 0.
func (p Params) Span(id string) time.Duration { return p[id].Span() }

// Property is a named value that a client may see of a node: a displayable
// parameter.
type Property struct {
	ID    string
	Name  string
	Value Value
}
