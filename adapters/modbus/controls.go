package modbus

import (
	"fmt"
	"math"
	"strconv"

	"github.com/fieldhub/hub/nodes"
)

// registerControls returns the control parameter of a writable register, named as
// its field.
func registerControls(s *nodes.Spec) []nodes.Param {
	if !s.Params.Bool("Writable") {
		return nil
	}
	f := newFormat(s.Params, s.Name)
	p := nodes.Param{ID: s.Name, Page: "Modbus", Label: s.Name, Kind: f.kind, Required: true,
		Description: fmt.Sprintf("Writes %s (%s).", f.location(), f.reference())}
	switch f.kind {
	case nodes.KindEnum:
		for _, c := range f.choices() {
			p.Options = append(p.Options, nodes.Option{Value: c.text, Label: c.text + " (" + c.number + ")"})
		}
	case nodes.KindString:
		p.Required = false // the empty text is one
		p.Pattern = fmt.Sprintf(".{0,%d}", 2*f.count)
		p.Description += fmt.Sprintf(" At most %d bytes.", 2*f.count)
	case nodes.KindInt32, nodes.KindInt64:
		low, high := f.bounds()
		p.Min = wholeBound(f.kind, max(float64(low), math.Ceil(f.min)), low)
		if high <= math.MaxInt64 {
			p.Max = wholeBound(f.kind, min(float64(high), math.Floor(f.max)), int64(high))
		} else if f.max < math.MaxInt64 {
			p.Max = nodes.Int64(int64(f.max))
		}
	case nodes.KindDouble:
		low, high := f.limits()
		low, high = max(low, f.min), min(high, f.max)
		if math.Abs(low) < 1e30 {
			p.Min = nodes.Quantity(low, f.decimals, f.unit)
		}
		if math.Abs(high) < 1e30 {
			p.Max = nodes.Quantity(high, f.decimals, f.unit)
		}
		if f.unit != "" {
			p.Label += " (" + f.unit + ")"
			p.Description += " In " + f.unit + "."
		}
	}
	return []nodes.Param{p}
}

// wholeBound returns a bound as an integer of the kind; type's is the one of the
// registers, exact where a double is not.
func wholeBound(k nodes.Kind, v float64, types int64) nodes.Value {
	if v != float64(types) {
		types = int64(v)
	}
	if k == nodes.KindInt32 {
		return nodes.Int32(int32(types))
	}
	return nodes.Int64(types)
}

func registerProperties(p nodes.Params) []nodes.Property {
	f := newFormat(p, "")
	out := []nodes.Property{{ID: "Location", Name: "Location", Value: nodes.String(f.location())}}
	if p.Text("Reference") == "" { // else it is shown as a parameter
		out = append(out, nodes.Property{ID: "Reference", Name: "Reference", Value: nodes.String(f.reference())})
	}
	return out
}

// location says where the value is, zero-based: "holding register 107, bit 3".
func (f *format) location() string {
	switch s := f.place(); f.bits {
	case 0:
		return s
	case 1:
		return s + ", bit " + strconv.Itoa(int(f.bit))
	default:
		return fmt.Sprintf("%s, bits %d to %d", s, f.bit, f.bit+f.bits-1)
	}
}

// reference is the same in the notation of manuals: 40108.3.
func (f *format) reference() string {
	s := f.table.Reference(f.first)
	if f.bits != 0 {
		s += "." + strconv.Itoa(int(f.bit))
	}
	return s
}
