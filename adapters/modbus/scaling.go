package modbus

import (
	"math"
	"math/big"
	"strconv"

	"github.com/fieldhub/hub/nodes"
)

// scaling turns what registers hold into a value: raw times scale, divided by
// divisor, plus offset.
type scaling struct {
	scale, divisor, offset float64
	// The same in whole numbers, (raw*mul + add) / 10^digits, exact as long as raw is
	// at most limit, up or down. digits is -1 where no decimal fraction will do.
	mul, add, limit int64
	digits          int
}

// exact is the largest whole number up to which a double knows all.
const exact = 1 << 53

// powers holds 10^n, tens the same as integers.
var (
	powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}
	tens   = [...]int64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16}
)

func newScaling(scale, divisor, offset nodes.Value) scaling {
	s := scaling{scale: 1, divisor: 1, offset: offset.Double(), mul: 1, limit: exact}
	if !scale.IsZero() {
		s.scale = scale.Double()
	}
	if !divisor.IsZero() {
		s.divisor = divisor.Double()
	}
	if s.plain() || s.divisor == 0 {
		return s
	}
	factor := s.factor()
	add := rational(s.offset)
	s.limit, s.digits = -1, -1
	for n := range 16 {
		ten := new(big.Rat).SetInt64(tens[n])
		m, a := new(big.Rat).Mul(factor, ten), new(big.Rat).Mul(add, ten)
		if !m.IsInt() || !a.IsInt() {
			continue
		}
		s.digits = n
		if m.Num().IsInt64() && a.Num().IsInt64() && m.Sign() != 0 {
			s.mul, s.add = m.Num().Int64(), a.Num().Int64()
			if room := exact - abs(s.add); abs(s.mul) <= exact && abs(s.add) <= exact {
				s.limit = room / abs(s.mul)
			}
		}
		break
	}
	return s
}

// plain tells whether the value is what the registers hold.
func (s *scaling) plain() bool { return s.scale == 1 && s.divisor == 1 && s.offset == 0 }

// factor returns scale by divisor as it was written.
func (s *scaling) factor() *big.Rat {
	return new(big.Rat).Quo(rational(s.scale), rational(s.divisor))
}

// rational returns a finite number as its shortest decimal form says: 0.1 is a
// tenth.
func rational(v float64) *big.Rat {
	r, _ := new(big.Rat).SetString(strconv.FormatFloat(v, 'g', -1, 64))
	return r
}

// apply scales in floating point.
func (s *scaling) apply(raw float64) float64 {
	if s.plain() {
		return raw
	}
	return raw*s.scale/s.divisor + s.offset
}

// integer scales a whole number. decimals, unless -1, are those to round to.
func (s *scaling) integer(raw int64, decimals int) float64 {
	if raw > s.limit || raw < -s.limit {
		return round(s.apply(float64(raw)), decimals)
	}
	n, digits := raw*s.mul+s.add, s.digits
	if decimals >= 0 && decimals < digits {
		n, digits = divide(n, tens[digits-decimals]), decimals
	}
	return float64(n) / powers[digits]
}

// divide rounds to the nearest, halves away from zero.
func divide(n, by int64) int64 {
	if n < 0 {
		return -((-n + by/2) / by)
	}
	return (n + by/2) / by
}

// round rounds to so many decimals, unless they are -1 or beyond what a double
// holds.
func round(v float64, decimals int) float64 {
	if decimals >= 0 {
		if p := powers[decimals]; math.Abs(v)*p < exact {
			return math.Round(v*p) / p
		}
	}
	return v
}

func abs(i int64) int64 {
	if i == math.MinInt64 {
		return math.MaxInt64
	}
	return max(i, -i)
}
