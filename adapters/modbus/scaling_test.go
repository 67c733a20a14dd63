package modbus

import (
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
	"unsafe"

	"github.com/fieldhub/hub/nodes"
)

func TestDecimal(t *testing.T) {
	for _, tt := range []struct {
		v float64
		m int64
		e int
	}{
		{0, 0, 0}, {1, 1, 0}, {-10, -1, 1}, {0.1, 1, -1}, {273.15, 27315, -2}, {1e300, 1, 300}, {-2.5e-7, -25, -8},
		{1.0 / 3, 3333333333333333, -16}, {123456789012345680, 12345678901234568, 1}, {5e-324, 5, -324},
	} {
		if m, e, ok := decimal(tt.v); !ok || m != tt.m || e != tt.e {
			t.Errorf("decimal(%v) = %d, %d, %v; want %d, %d", tt.v, m, e, ok, tt.m, tt.e)
		}
	}
	for _, v := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		if m, e, ok := decimal(v); ok {
			t.Errorf("decimal(%v) = %d, %d", v, m, e)
		}
	}
}

// Where whole numbers are used, the result is the double nearest to what the
// decimal numbers make.
func TestScalingIsExact(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	numbers := []float64{1, -1, 0.1, 0.01, 0.001, 1e-6, 0.5, 0.625, 2.5, 3, 7, 10, 60, 100, 1000, 3600, 1.0 / 3, 0.393700787}
	pick := func() float64 { return numbers[r.IntN(len(numbers))] }
	used := 0
	for range 20000 {
		scale, divisor, offset := pick(), pick(), 0.0
		if r.IntN(2) == 0 {
			offset = []float64{-40, 273.15, -0.5, 1e6, 0.125}[r.IntN(5)]
		}
		s := newScaling(nodes.Double(scale), nodes.Double(divisor), nodes.Double(offset))
		raw := int64(r.Uint64()) >> (r.IntN(63))
		if raw > s.limit || raw < -s.limit {
			continue
		}
		used++
		x := new(big.Rat).SetInt64(raw)
		x.Add(x.Mul(x, s.factor()), rational(offset))
		if want, _ := x.Float64(); s.integer(raw, -1) != want {
			t.Fatalf("%d * %v / %v + %v: got %v, want %v", raw, scale, divisor, offset, s.integer(raw, -1), want)
		}
	}
	if used < 5000 {
		t.Errorf("whole numbers were used only %d times of 20000", used)
	}
}

// A plant has tens of thousands of registers.
func TestConfigurationIsSmall(t *testing.T) {
	if n := unsafe.Sizeof(registerConfig{}); n > 256 {
		t.Errorf("a register takes %d bytes", n)
	}
}
