package nodes

import (
	"strings"
	"time"
)

// Category is what a field's value means in the life of a device. A field has
// exactly one; a request names a set of them, or-ed.
type Category uint8

// The categories of the sensor data interface.
const (
	Momentary  Category = 1 << iota // a current value
	Peak                            // a peak since some point
	Status                          // a state of the device
	Computed                        // computed from other values
	Identity                        // says what the device is
	Historical                      // a value of the past
	// AllCategories is the set of all of them.
	AllCategories = Momentary | Peak | Status | Computed | Identity | Historical
)

var categoryNames = [...]string{"momentary", "peak", "status", "computed", "identity", "historical"}

// String returns the names of the categories, joined by "|".
func (c Category) String() string { return joinBits(uint32(c), categoryNames[:]) }

// QoS is a set of quality flags of a value; none set is a plain good value.
type QoS uint16

// The quality flags of the sensor data interface.
const (
	Missing           QoS = 1 << iota // ms
	InProgress                        // pr
	AutomaticEstimate                 // ae
	ManualEstimate                    // me
	ManualReadout                     // mr
	AutomaticReadout                  // ar
	TimeOffset                        // of: the clock was off
	Warning                           // w: for us, older than it should be
	Erroneous                         // er: for us, the last attempt to read it failed
	Signed                            // so
	Invoiced                          // iv
	EndOfSeries                       // eos
	PowerFailure                      // pf
	InvoiceConfirmed                  // ic
)

var qosNames = [...]string{"missing", "in progress", "automatic estimate", "manual estimate",
	"manual readout", "automatic readout", "clock offset", "warning", "error", "signed",
	"invoiced", "end of series", "power failure", "invoice confirmed"}

// String returns the names of the flags, joined by "|".
func (q QoS) String() string { return joinBits(uint32(q), qosNames[:]) }

func joinBits(bits uint32, names []string) string {
	var set []string
	for i, name := range names {
		if bits&(1<<i) != 0 {
			set = append(set, name)
		}
	}
	return strings.Join(set, "|")
}

// Field is one named value of a node.
type Field struct {
	Name     string
	Value    Value
	Time     time.Time // when the value was true at the device; never restamped
	Category Category  // exactly one
	QoS      QoS
	Writable bool // there is a control parameter of the same name
}

// Reading is what one node delivered at one moment: fields, or the reason why
// there are none, or both (the last good fields, flagged, beside the reason).
type Reading struct {
	Node   string // id within the source
	Fields []Field
	Err    error // why the node could not be read; nil when it could
	// MaxAge is how old the fields may get before they are no longer current:
	// then a readout asks the device again, and what is sent nevertheless carries
	// the warning flag. Zero: current until replaced (values that are pushed).
	MaxAge time.Duration
}

// Readout is a wish for values.
type Readout struct {
	Refs       []Ref    // nodes to read; a device stands for all its parts
	Categories Category // fields of any of these; zero means all
	Fields     []string // exact names; none means all
	From, To   time.Time
}

// Wants tells whether the readout asks for a field of that name and category.
func (r *Readout) Wants(f *Field) bool {
	if r.Categories != 0 && r.Categories&f.Category == 0 {
		return false
	}
	if !r.From.IsZero() && f.Time.Before(r.From) || !r.To.IsZero() && f.Time.After(r.To) {
		return false
	}
	if len(r.Fields) == 0 {
		return true
	}
	for _, name := range r.Fields {
		if name == f.Name {
			return true
		}
	}
	return false
}

// Interest is that somebody wants a node's values at least this often.
type Interest struct {
	Node     string
	Interval time.Duration // 0: as often as the device is polled anyway, and every push
}

// Watch is a wish to be told of changes.
type Watch struct {
	Refs     []Ref         // nodes; a device stands for all its parts
	Interval time.Duration // how often values are wanted; see [Interest]
	// Notify is called with each reading in which a value, a quality flag or the
	// error of a watched node differs from before; the reading holds only the fields
	// that changed. It is called where the reading arrives, so it must be quick, must
	// not block, and must not call back.
	Notify func(Ref, Reading)
}
