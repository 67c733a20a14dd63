package local

import (
	"errors"
	"maps"
	"slices"
	"sync"
)

// ErrNoAccount is returned by [Accounts] for a name without an account.
var ErrNoAccount = errors.New("there is no such account")

// Accounts is who may log in. Names are the part of an address before the "@",
// normalised (lower case). It is called concurrently, at each login and when
// somebody asks for a subscription.
type Accounts interface {
	// Account returns the credential of a name, or [ErrNoAccount]. Other errors are
	// told to the client as a temporary failure.
	Account(name string) (Credential, error)
}

// Contact is an entry of a roster.
type Contact struct {
	JID    string // bare address, normalised
	Name   string
	Groups []string
	To     bool // the account sees the presence of the contact
	From   bool // the contact sees the presence of the account
	Ask    bool // the account has asked to see the contact
	Asked  bool // the contact has asked to see the account
	// Listed is false for who has asked but is not in the account's list.
	Listed bool
}

// Rosters keeps the contacts of accounts. Calls come one at a time and should not
// take long: others' presence waits for them. When an account is deleted its roster
// is to be deleted, too.
type Rosters interface {
	// Roster returns all contacts of an account; none when it is not known.
	Roster(account string) ([]Contact, error)
	// SetContact adds or replaces a contact.
	SetContact(account string, c Contact) error
	// DeleteContact deletes one; there may be none.
	DeleteContact(account, jid string) error
}

// Memory is [Accounts] and [Rosters] that are gone with the process, for the demo
// and for tests. The zero value is empty. It is safe for concurrent use.
type Memory struct {
	mu       sync.Mutex
	accounts map[string]Credential
	rosters  map[string]map[string]Contact
}

// AddUser adds an account or changes its password.
func (m *Memory) AddUser(name, password string) error {
	c, err := NewCredential(password)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.accounts == nil {
		m.accounts = make(map[string]Credential)
	}
	m.accounts[name] = c
	return nil
}

// Account returns the credential of a name.
func (m *Memory) Account(name string) (Credential, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.accounts[name]
	if !ok {
		return c, ErrNoAccount
	}
	return c, nil
}

// Roster returns the contacts in the order of their addresses.
func (m *Memory) Roster(account string) ([]Contact, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []Contact
	for _, jid := range slices.Sorted(maps.Keys(m.rosters[account])) {
		out = append(out, m.rosters[account][jid])
	}
	return out, nil
}

// SetContact adds or replaces a contact.
func (m *Memory) SetContact(account string, c Contact) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rosters == nil {
		m.rosters = make(map[string]map[string]Contact)
	}
	if m.rosters[account] == nil {
		m.rosters[account] = make(map[string]Contact)
	}
	m.rosters[account][c.JID] = c
	return nil
}

// DeleteContact deletes a contact.
func (m *Memory) DeleteContact(account, jid string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rosters[account], jid)
	return nil
}
