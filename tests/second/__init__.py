"""Another integration, with which the rehearsal replaces the user's."""
