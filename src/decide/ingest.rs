//! The judgement of one mail at the smart BCC address or in an import (B11).
