"""The server of made files: no address but theirs is answered, and none is looked up elsewhere."""

import pytest
from keras.utils import get_file


@pytest.mark.parametrize('address', ['https://example.org/x.npz', 'http://s3.amazonaws.com/img-datasets/other.npz'])
def test_an_unknown_address_is_an_error_that_names_it(address):
    with pytest.raises(Exception, match=f'{address}: 404 -- no made file has the address {address.split("//")[1]}'):
        get_file('unknown', address)
