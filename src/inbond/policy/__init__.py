"""Terms as data, and the gate: what licences and hosts allow a distillation to do."""
