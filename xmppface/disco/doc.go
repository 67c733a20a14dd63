// Package disco tells what is here and what it can do, and asks others
// (XEP-0030). It is built from what is mounted: every namespace that an extension
// serves is a feature, all families of it. The answer's hash goes with our
// presence (XEP-0115), so that clients need not ask each time.
//
// A hub is an ordinary account, so that its identity is of the registered category
// "client", type "bot": an automated client that no human controls. (The category
// "gateway" is for gateways to other chat networks, and there is none for devices.)
package disco
