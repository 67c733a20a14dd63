package modbus

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// room names what a value has to fit into.
func (f *format) room() string {
	s := f.typ.String()
	if f.bits != 0 {
		s = fmt.Sprintf("%d bits", f.bits)
		if f.bits == 1 {
			s = "1 bit"
		}
	}
	if !f.plain() {
		s += " with scale " + strconv.FormatFloat(f.scale, 'g', -1, 64)
		if f.divisor != 1 {
			s += ", divisor " + strconv.FormatFloat(f.divisor, 'g', -1, 64)
		}
		if f.offset != 0 {
			s += ", offset " + strconv.FormatFloat(f.offset, 'g', -1, 64)
		}
	}
	return s
}

// span writes the range of values that the registers hold.
func (f *format) span() string {
	low, high := f.limits()
	if f.kind == nodes.KindInt32 || f.kind == nodes.KindInt64 || f.kind == nodes.KindEnum {
		low, high := f.bounds()
		return fmt.Sprintf("%d to %d", low, high)
	}
	return strings.TrimSuffix(f.show(low), " "+f.unit) + " to " + f.show(high)
}

// limits returns the least and the greatest value that the registers hold.
func (f *format) limits() (low, high float64) {
	switch f.typ {
	case wire.Float16:
		low, high = -65504, 65504
	case wire.Float32:
		low, high = -math.MaxFloat32, math.MaxFloat32
	case wire.Float64:
		low, high = -math.MaxFloat64, math.MaxFloat64
	default:
		l, h := f.bounds()
		low, high = f.scaled(l), round(f.apply(float64(h)), f.decimals)
		if h <= math.MaxInt64 {
			high = f.scaled(int64(h))
		}
		return min(low, high), max(low, high)
	}
	low, high = f.apply(low), f.apply(high)
	return min(low, high), max(low, high)
}

func (f *format) scaled(raw int64) float64 { return f.integer(raw, f.decimals) }

func (f *format) show(v float64) string {
	if math.Abs(v) >= 1e15 {
		return strings.TrimSpace(strconv.FormatFloat(v, 'g', -1, 64) + " " + f.unit)
	}
	return nodes.Quantity(v, f.decimals, f.unit).String()
}
