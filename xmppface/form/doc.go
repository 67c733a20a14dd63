// Package form turns parameters (nodes.Form) into data forms and back, at both
// ends: the hub renders a form and reads what was submitted, a client reads a
// form and renders a submission.
//
// The forms are those of XEP-0004 with the data types and ranges of XEP-0122, the
// pages and sections of XEP-0141, and of XEP-0336 the marks notSame and readOnly
// and the message on a wrong field. A secret goes out as an empty field of type
// text-private; submitted empty, it is not given.
//
// What deployed software writes is read tolerantly: names count, not prefixes; the
// children of a validate element may be in any namespace; the type of the form
// may be missing; booleans are 1, 0, true, false, yes, no, on, off.
//
// The package knows no namespace that uses forms, and checks values only by
// package param.
package form
