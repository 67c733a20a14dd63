package server

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Accounts are the passwords of users, by name.
type Accounts map[string]string

// ParseAccounts reads accounts, one in a line, as user:password.
func ParseAccounts(text string) (Accounts, error) {
	out := make(Accounts)
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		user, password, ok := strings.Cut(line, ":")
		if user = strings.TrimSpace(user); !ok || user == "" || password == "" {
			return nil, errors.New("write an account in each line, as user:password")
		}
		if _, twice := out[user]; twice {
			return nil, fmt.Errorf("the user %s has two accounts", user)
		}
		out[user] = password
	}
	return out, nil
}

// Check tells whether the password of a user is right.
func (a Accounts) Check(user, password string) bool {
	want, ok := a[user]
	return subtle.ConstantTimeCompare([]byte(want), []byte(password)) == 1 && ok
}

// Right is what a user may do with topics.
type Right struct {
	User        string // *: everybody
	Read, Write bool
	Filter      string
}

// ParseRights reads rights, one in a line, as user, what, filter: "meter write plant/meter/#".
// What is read, write or both; the user * is everybody; %u in a filter stands for the name
// of the user.
func ParseRights(text string) ([]Right, error) {
	var out []Right
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if len(f) != 3 || !slices.Contains([]string{"read", "write", "both"}, f[1]) {
			return nil, fmt.Errorf("%q: write a user, read, write or both, and a filter", strings.TrimSpace(line))
		}
		if err := checkFilter(f[2]); err != nil {
			return nil, err
		}
		out = append(out, Right{User: f[0], Read: f[1] != "write", Write: f[1] != "read", Filter: f[2]})
	}
	return out, nil
}

func checkFilter(filter string) error {
	levels := strings.Split(filter, "/")
	for i, l := range levels {
		if strings.ContainsAny(l, "+#") && l != "+" && (l != "#" || i != len(levels)-1) {
			return fmt.Errorf("%q: + stands for a whole level, # for all that follow, at the end", filter)
		}
	}
	return nil
}

// Allowed tells whether a user may publish on a topic, or subscribe a filter: there has to
// be a right that includes all of it.
func Allowed(list []Right, user, topic string, publish bool) bool {
	if strings.ContainsAny(user, "/+#") {
		return false // else %u could stand for more than a level
	}
	return slices.ContainsFunc(list, func(r Right) bool {
		return (r.User == "*" || r.User == user) && (publish && r.Write || !publish && r.Read) &&
			Includes(strings.ReplaceAll(r.Filter, "%u", user), topic)
	})
}

// Includes tells whether a filter includes another one, or a topic. Topics that begin with
// $ are not those of a filter that begins with a wildcard.
func Includes(filter, other string) bool {
	if strings.HasPrefix(other, "$") && (strings.HasPrefix(filter, "+") || strings.HasPrefix(filter, "#")) {
		return false
	}
	a, b := strings.Split(filter, "/"), strings.Split(other, "/")
	for i, level := range a {
		switch {
		case level == "#":
			return true
		case i >= len(b) || b[i] == "#":
			return false
		case level != "+" && level != b[i]:
			return false
		}
	}
	return len(a) == len(b)
}
