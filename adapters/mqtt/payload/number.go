package payload

import (
	"math"
	"strconv"
)

// numberLength returns how many bytes at the beginning are a JSON number; 0: none.
func numberLength(b []byte) int {
	i := 0
	if i < len(b) && b[i] == '-' {
		i++
	}
	whole := digits(b[i:])
	if whole == 0 || whole > 1 && b[i] == '0' {
		return 0
	}
	i += whole
	if i < len(b) && b[i] == '.' {
		n := digits(b[i+1:])
		if n == 0 {
			return 0
		}
		i += 1 + n
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		j := i + 1
		if j < len(b) && (b[j] == '+' || b[j] == '-') {
			j++
		}
		n := digits(b[j:])
		if n == 0 {
			return 0
		}
		i = j + n
	}
	return i
}

func digits(b []byte) int {
	for i, c := range b {
		if c < '0' || c > '9' {
			return i
		}
	}
	return len(b)
}

func isNumber(b []byte) bool { return len(b) > 0 && numberLength(b) == len(b) }

// powers holds those powers of ten that a double holds exactly.
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11,
	1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}

// parseNumber reads a number in decimal notation: its value, the nearest there is,
// and how many decimals it was written with (-1: with an exponent, or more than 15).
// It is false for what is no number or not finite.
func parseNumber(b []byte) (v float64, decimals int, ok bool) {
	var m uint64
	i, count, point := 0, 0, -1
	negative := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		negative = b[0] == '-'
		i = 1
	}
	seen := false
	for ; i < len(b); i++ {
		c := b[i]
		if c >= '0' && c <= '9' {
			seen = true
			if m != 0 || c != '0' {
				count++
			}
			m = 10*m + uint64(c-'0')
			if point >= 0 {
				point++
			}
			continue
		}
		if c == '.' && point < 0 {
			point = 0
			continue
		}
		break
	}
	if !seen {
		return 0, 0, false
	}
	decimals = max(point, 0)
	if i == len(b) && count <= 15 && decimals < len(powers) {
		v = float64(m) // exact, as is the power: the quotient is the nearest double
		if decimals > 0 {
			v /= powers[decimals]
		}
		if negative {
			v = -v
		}
	} else {
		if i < len(b) { // an exponent, or something else
			if !hasExponent(b[i:]) {
				return 0, 0, false
			}
			decimals = -1
		}
		var err error
		if v, err = strconv.ParseFloat(string(b), 64); err != nil {
			return 0, 0, false
		}
	}
	if decimals > 15 {
		decimals = -1
	}
	return v, decimals, !math.IsInf(v, 0)
}

func hasExponent(b []byte) bool {
	if len(b) < 2 || b[0] != 'e' && b[0] != 'E' {
		return false
	}
	if b = b[1:]; b[0] == '+' || b[0] == '-' {
		b = b[1:]
	}
	return len(b) > 0 && digits(b) == len(b)
}

// parseInteger reads a whole number that an int64 holds.
func parseInteger(b []byte) (int64, bool) {
	i := 0
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		i = 1
	}
	if n := digits(b[i:]); n == 0 || n < len(b)-i || n > 19 {
		return 0, false
	}
	v, err := strconv.ParseInt(string(b), 10, 64)
	return v, err == nil
}

// round rounds to so many decimals, unless they are -1 or beyond what a double holds.
func round(v float64, decimals int) float64 {
	if decimals >= 0 && decimals < len(powers) {
		if p := powers[decimals]; math.Abs(v)*p < 1<<53 {
			return math.Round(v*p) / p
		}
	}
	return v
}
