package modbus

import (
	"bytes"
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

func newScaling(scale, by, offset nodes.Value) scaling {
	s := scaling{scale: 1, divisor: 1, offset: offset.Double(), mul: 1, limit: exact}
	if !scale.IsZero() {
		s.scale = scale.Double()
	}
	if !by.IsZero() {
		s.divisor = by.Double()
	}
	if s.plain() || s.divisor == 0 {
		return s
	}
	s.limit, s.digits = -1, -1
	m, e, ok := decimal(s.scale)
	divisor, down, ok2 := decimal(s.divisor)
	add, f, ok3 := decimal(s.offset)
	if !ok || !ok2 || !ok3 {
		return s
	}
	if m, e, ok = quotient(m, e-down, divisor); !ok {
		return s
	}
	n := max(0, -e, -f)
	if n > 15 {
		return s
	}
	s.digits = n
	m, ok = shift(m, n+e)
	add, ok2 = shift(add, n+f)
	if ok && ok2 && m != 0 {
		s.mul, s.add = m, add
		s.limit = (exact - abs(add)) / abs(m)
	}
	return s
}

// decimal returns the shortest decimal form of a number: m times 10^e, m without
// zeros at its end. It is false for what is not finite.
func decimal(v float64) (m int64, e int, ok bool) {
	var buf [32]byte
	digits, exponent, ok := bytes.Cut(strconv.AppendFloat(buf[:0], v, 'e', -1, 64), []byte{'e'})
	if !ok {
		return 0, 0, false
	}
	for i, c := range digits { // at most 17
		if c >= '0' && c <= '9' {
			m = 10*m + int64(c-'0')
		} else if c == '.' {
			e = i + 1 - len(digits)
		}
	}
	if digits[0] == '-' {
		m = -m
	}
	if m == 0 {
		return 0, 0, true
	}
	up, _ := strconv.Atoi(string(exponent))
	return m, e + up, true
}

// quotient divides m times 10^e. It is false when no decimal fraction is the
// result.
func quotient(m int64, e int, by int64) (int64, int, bool) {
	if by < 0 {
		m, by = -m, -by
	}
	for by != 1 {
		if m%by == 0 {
			return m / by, e, true
		}
		if abs(m) > math.MaxInt64/10 {
			return 0, 0, false
		}
		if m, e = 10*m, e-1; e < -400 {
			return 0, 0, false
		}
	}
	return m, e, true
}

// shift multiplies by 10^n, n not negative. It is false beyond what a double
// holds exactly.
func shift(m int64, n int) (int64, bool) {
	if m == 0 {
		return 0, true
	}
	if n > 15 || abs(m) > exact/tens[n] {
		return 0, false
	}
	return m * tens[n], true
}

// plain tells whether the value is what the registers hold.
func (s *scaling) plain() bool { return s.scale == 1 && s.divisor == 1 && s.offset == 0 }

// factor returns scale by divisor as they were written.
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
