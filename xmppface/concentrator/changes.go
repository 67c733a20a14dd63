package concentrator

// Changes implements ext.Changer: all operations that may come in an iq of type set
// change something, whatever type they come in.
func (s *Server) Changes(name string) bool {
	op, ok := s.operations[name]
	return ok && op.typ != "get"
}
